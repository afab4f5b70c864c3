"""The commands and the specs of the guide work."""
