"""Where a run's numbers are written."""
