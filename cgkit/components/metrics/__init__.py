"""Metrics of the quality of translations."""
