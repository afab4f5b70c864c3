"""Writers of a generator in a format that other programs read."""
