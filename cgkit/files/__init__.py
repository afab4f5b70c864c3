"""Files: listing images, replacing a file all or nothing, JSON lines."""
