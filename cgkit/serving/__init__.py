"""A local web server for runs: their progress and results, and translating with their models."""

from cgkit.serving.limits import Limits
from cgkit.serving.server import Address, serve

__all__ = ["Address", "Limits", "serve"]
