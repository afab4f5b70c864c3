"""The norms that a network can be built with, and instance normalisation in particular."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Norm = Literal["instance", "batch", "none"]
"""Over what features are normalised: one image's map, the batch's maps, or not at all."""


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation (Ulyanov et al., 2017): group normalisation with one group a channel.

    `nn.InstanceNorm2d` is the same function, but at batch 1 it gives wrong gradients, in silence, as soon as they
    arrive in channels_last. A map of one pixel becomes 0.
    """

    def __init__(self, channels: int, *, affine: bool = False) -> None:
        super().__init__(channels, channels, eps=1e-5, affine=affine)

    def forward(self, features: Tensor) -> Tensor:
        """Return `(N, C, H, W)` with mean 0 and variance 1 in every map, then scaled and shifted where affine."""
        # Not F.group_norm, which refuses one image with a map of one pixel.
        return torch.group_norm(features, self.num_groups, self.weight, self.bias, self.eps)


@dataclass(frozen=True)
class Normalisation:
    """Makes the norm layers of a network.

    Attributes:
        kind: which norm.
        affine: whether each layer learns a scale and a shift.
    """

    kind: Norm
    affine: bool

    def __call__(self, channels: int) -> nn.Module:
        """Return a layer for that many channels."""
        if self.kind == "instance":
            return InstanceNorm(channels, affine=self.affine)
        if self.kind == "batch":
            return nn.BatchNorm2d(channels, affine=self.affine)
        return nn.Identity()

    @property
    def keeps_bias(self) -> bool:
        """Whether the bias of a convolution just before the norm has an effect.

        Where a norm removes it, its gradient is rounding noise, of which Adam makes steps of the full learning rate.
        """
        return self.kind == "none"
