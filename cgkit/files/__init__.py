"""List image files, replace a file all or nothing, and append JSON lines."""
