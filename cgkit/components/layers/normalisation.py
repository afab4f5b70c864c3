"""The norms that a network can be built with, and instance normalisation in particular."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Norm = Literal["instance", "batch", "none"]
"""Over what features are normalised: one image's map, the batch's maps, or not at all."""


SMALL_MAP = 1024
"""Pixels of a map below which torch's group norm, in channels_last, takes twenty times as long as a batch norm."""


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation (Ulyanov et al., 2017): group normalisation with one group a channel.

    `nn.InstanceNorm2d` is the same function, but at batch 1 it gives wrong gradients, in silence, as soon as they
    arrive in channels_last. A map of one pixel becomes 0.
    """

    def __init__(self, channels: int, *, affine: bool = False) -> None:
        super().__init__(channels, channels, eps=1e-5, affine=affine)

    def forward(self, features: Tensor) -> Tensor:
        """Return `(N, C, H, W)` with mean 0 and variance 1 in every map, then scaled and shifted where affine."""
        weight, bias = self.weight, self.bias
        if torch.is_grad_enabled() and not torch.compiler.is_compiling() and features.device.type == "cpu":
            if features.dtype == torch.bfloat16 and weight is None:
                # With a scale and a shift in float32, so are the statistics that torch keeps for the gradient.
                weight = features.new_ones(features.shape[1], dtype=torch.float32)
                bias = torch.zeros_like(weight)
            if _lies_channels_last(features):
                made: Tensor = _ChannelsLastInstanceNorm.apply(features, weight, bias, self.eps)
                return made
        return _normalised(features, weight, bias, self.eps)


class _ChannelsLastInstanceNorm(torch.autograd.Function):
    """The same function; its gradient is that of a batch norm of each image, which is far quicker in channels_last."""

    @staticmethod
    def forward(context: Any, features: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        made, mean, deviation = _with_statistics(features, weight, bias, eps)
        context.save_for_backward(features, weight, bias, mean, deviation)
        context.eps = eps
        return made

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, bias, mean, deviation = context.saved_tensors
        wanted = context.needs_input_grad[:3]
        if torch.is_grad_enabled():  # to be differentiated again
            given = [one for one, needed in zip((features, weight, bias), wanted, strict=True) if needed]
            made = _normalised(features, weight, bias, context.eps)
            found = iter(torch.autograd.grad(made, given, gradient, create_graph=True))
            return (*(next(found) if needed else None for needed in wanted), None)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        of_images = [
            torch.ops.aten.native_batch_norm_backward(
                gradient[one], features[one], weight, None, None, mean[n], deviation[n], True, context.eps, wanted
            )
            for n in range(len(features))
            for one in [slice(n, n + 1)]
        ]
        to_features, to_weight, to_bias = zip(*of_images, strict=True)
        return (
            torch.cat(to_features) if wanted[0] else None,
            torch.stack(to_weight).sum(0) if wanted[1] else None,
            torch.stack(to_bias).sum(0) if wanted[2] else None,
            None,
        )


def _with_statistics(
    features: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return normalised features, and each map's mean and 1 / deviation; the quicker of two ways that torch has."""
    count, channels, height, width = features.shape
    if height * width >= SMALL_MAP:
        made: tuple[Tensor, Tensor, Tensor] = torch.native_group_norm(
            features, weight, bias, count, channels, height * width, channels, eps
        )
        return made
    of_images = [torch.native_batch_norm(image[None], weight, bias, None, None, True, 0.0, eps) for image in features]
    maps, means, deviations = zip(*of_images, strict=True)
    return torch.cat(maps), torch.stack(means), torch.stack(deviations)


def _lies_channels_last(features: Tensor) -> bool:
    return features.is_contiguous(memory_format=torch.channels_last) and not features.is_contiguous()


def _normalised(features: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    # Not F.group_norm, which refuses one image with a map of one pixel.
    return torch.group_norm(features, features.shape[1], weight, bias, eps)


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
