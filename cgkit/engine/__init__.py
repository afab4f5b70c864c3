"""Assembling a CycleGAN from a spec and training it."""
