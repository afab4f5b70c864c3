"""Sources of training and test images."""
