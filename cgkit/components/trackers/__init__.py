"""Writers for a run's metrics."""
