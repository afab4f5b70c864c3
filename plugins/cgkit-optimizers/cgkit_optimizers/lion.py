"""Lion, which steps by the sign of the momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import nn

Beta = Annotated[float, Ge(0), Lt(1)]


def lion(
    parameters: Sequence[nn.Parameter],
    learning_rate: float,
    *,
    betas: tuple[Beta, Beta] = (0.9, 0.99),
    weight_decay: Annotated[float, Ge(0)] = 0.0,
) -> torch.optim.Optimizer:
    """Lion (Chen et al., 2023, "Symbolic discovery of optimization algorithms").

    It keeps one tensor a weight, half of Adam's state. Every weight moves by the learning rate, so the authors advise a
    rate three to ten times smaller than Adam's.

    Args:
        betas: the decay rates of the momentum in a step, and of the momentum that is kept.
        weight_decay: the fraction of each weight that a step removes, multiplied by the learning rate.
    """
    from pytorch_optimizer import Lion

    optimizer: torch.optim.Optimizer = Lion(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay)
    return optimizer
