"""Scoring what was trained."""
