"""Describing a component: its options, its size, its receptive field."""
