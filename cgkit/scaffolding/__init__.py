"""Files that cgkit writes for a user to start from: a spec, or a plugin package."""
