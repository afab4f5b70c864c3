"""Images larger than memory: translated in tiles, with the same result as the whole image."""
