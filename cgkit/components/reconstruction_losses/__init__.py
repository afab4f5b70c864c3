"""Distances for the cycle-consistency and identity losses."""
