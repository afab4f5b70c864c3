"""The same learning rate throughout."""

from __future__ import annotations


class Constant:
    """The same rate throughout."""

    def __call__(self, step: int, steps: int, epoch_steps: int, /) -> float:
        """Return 1."""
        return 1.0
