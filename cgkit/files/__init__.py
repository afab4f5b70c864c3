"""List image files, replace files all or nothing, and append lines to JSON Lines files."""
