"""Read and write image files without losing data silently."""
