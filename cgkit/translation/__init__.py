"""Applying what was trained to images."""
