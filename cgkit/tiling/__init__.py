"""Translating images larger than memory in tiles, exactly or approximately."""
