"""Scores of a run: while it trains, at its end, and on request."""
