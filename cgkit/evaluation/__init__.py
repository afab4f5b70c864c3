"""Evaluation of trained models: numbers with their protocol, interval and baselines."""
