"""The draw that decides whether an image is augmented."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le

Probability = Annotated[float, Ge(0), Le(1)]
"""A probability, from 0 (never) to 1 (always)."""


def happens(p: float) -> bool:
    """Return True with probability `p`."""
    return bool(torch.rand((), device="cpu") < p)
