"""Writing and reading a run's whole state."""
