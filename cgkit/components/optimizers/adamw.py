"""Adam with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn

from cgkit.components.optimizers.adam import Beta


def adamw(
    parameters: Sequence[nn.Parameter],
    learning_rate: float,
    *,
    betas: tuple[Beta, Beta] = (0.5, 0.999),
    weight_decay: Annotated[float, Ge(0)] = 0.01,
) -> torch.optim.Optimizer:
    """AdamW: Adam whose weight decay does not pass through the gradient (Loshchilov and Hutter, 2019).

    Args:
        betas: the decay rates of the mean and of the variance of the gradient.
        weight_decay: the fraction of each weight that a step removes, multiplied by the learning rate.
    """
    return torch.optim.AdamW(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)
