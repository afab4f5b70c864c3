"""One training run: its folder, its loop, and everything that watches it."""
