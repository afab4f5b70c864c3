"""The draw that augmentations share: whether a change happens at all."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le

Probability = Annotated[float, Ge(0), Le(1)]
"""How often something happens: 0 is never, exactly, and 1 is always."""


def happens(p: float) -> bool:
    """Draw whether something of probability `p` happens."""
    return bool(torch.rand((), device="cpu") < p)
