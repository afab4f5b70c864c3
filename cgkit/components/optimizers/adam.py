"""Adam, as in the published recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from annotated_types import Ge, Lt
from torch import nn

Beta = Annotated[float, Ge(0), Lt(1)]


def adam(
    parameters: Sequence[nn.Parameter],
    learning_rate: float,
    *,
    betas: tuple[Beta, Beta] = (0.5, 0.999),
    weight_decay: Annotated[float, Ge(0)] = 0.0,
) -> torch.optim.Optimizer:
    """Adam (Kingma and Ba, 2015), by default with the decay rates of CycleGAN's published code.

    Args:
        betas: the decay rates of the mean and of the variance of the gradient.
        weight_decay: the weight of an L2 penalty on the weights, which is added to the gradient.
    """
    return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay, fused=True)
