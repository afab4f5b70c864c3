"""A constant learning rate."""

from __future__ import annotations


class Constant:
    """Constant learning rate."""

    def __call__(self, step: int, steps: int, epoch_steps: int, /) -> float:
        """Return 1, which stands for the full rate, at every step."""
        return 1.0
