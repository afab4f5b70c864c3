"""Describing a component: its options, size and receptive field."""
