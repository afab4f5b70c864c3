"""Starting a plugin package of one's own."""
