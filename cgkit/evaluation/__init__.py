"""Measuring what was trained: numbers with their protocol, interval and bounds."""
