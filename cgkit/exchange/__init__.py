"""Import models from other programs, and export models to them."""
