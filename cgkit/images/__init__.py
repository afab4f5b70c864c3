"""Read and write image files without silently losing data."""
