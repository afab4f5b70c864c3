"""Networks that tell real images from made ones."""
