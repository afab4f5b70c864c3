"""Models from other programs, and models for other programs."""
