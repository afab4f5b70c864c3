"""Losses computed from a discriminator's logits."""
