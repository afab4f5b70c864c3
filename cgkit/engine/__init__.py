"""The CycleGAN method: networks, objective, training step."""
