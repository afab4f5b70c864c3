"""Translating images and videos with a trained model."""
