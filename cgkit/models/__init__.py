"""A trained model: its folder, its card, and running it on images."""
