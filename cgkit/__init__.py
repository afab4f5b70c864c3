"""cgkit: CycleGAN assembled from plugins by a declarative spec."""

__version__ = "0.1.0"
