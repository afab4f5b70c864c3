"""Networks that distinguish real from generated images."""
