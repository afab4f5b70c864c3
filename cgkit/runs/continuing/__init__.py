"""Continuing a run: how it was started, what may change, and what must not."""
