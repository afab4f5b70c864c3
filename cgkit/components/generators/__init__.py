"""Networks that translate images."""
