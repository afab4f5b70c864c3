"""Optimisers of the networks' weights."""
