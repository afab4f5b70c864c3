"""The sample sheets of a run."""
