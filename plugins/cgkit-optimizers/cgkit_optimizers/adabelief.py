"""AdaBelief, which divides by how far a gradient is from what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import nn

from cgkit_optimizers.lion import Beta


def adabelief(
    parameters: Sequence[nn.Parameter],
    learning_rate: float,
    *,
    betas: tuple[Beta, Beta] = (0.5, 0.999),
    epsilon: Annotated[float, Gt(0)] = 1e-12,
    weight_decay: Annotated[float, Ge(0)] = 0.0,
) -> torch.optim.Optimizer:
    """AdaBelief (Zhuang et al., 2020), which its authors also tested on GANs.

    Args:
        betas: the decay rates of the mean of the gradient, and of its squared distance from that mean.
        epsilon: keeps the denominator from being 0; the authors use 1e-12 for small GANs.
        weight_decay: the fraction of each weight that a step removes, multiplied by the learning rate.
    """
    from pytorch_optimizer import AdaBelief

    optimizer: torch.optim.Optimizer = AdaBelief(
        parameters, lr=learning_rate, betas=betas, eps=epsilon, weight_decay=weight_decay
    )
    return optimizer
