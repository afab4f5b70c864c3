"""Models that come from elsewhere, and models for use elsewhere."""
