"""Norm layers for networks, including an instance norm with correct gradients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

Norm = Literal["instance", "batch", "none"]
"""What each feature map is normalised over: one image, the batch, or nothing (no norm)."""

SMALL_MAP = 1024
"""Number of pixels of a map below which torch's group norm takes 20 times as long as a batch norm in channels_last."""


class InstanceNorm(nn.GroupNorm):
    """Instance normalisation (Ulyanov et al., 2017): group normalisation with one group per channel.

    `nn.InstanceNorm2d` computes the same function, but at batch size 1 it silently returns wrong gradients if the
    incoming gradients are in channels_last. A map of one pixel is normalised to 0.
    """

    def __init__(self, channels: int, *, affine: bool = False) -> None:
        super().__init__(channels, channels, eps=1e-5, affine=affine)

    def forward(self, features: Tensor) -> Tensor:
        """Normalise each map of `(N, C, H, W)` to mean 0 and variance 1, then scale and shift it if `affine`."""
        return normalise(features, self.weight, self.bias, self.eps)


def normalise(features: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """Normalise each map of `(N, C, H, W)` to mean 0 and variance 1, then scale and shift it, if that is given."""
    if torch.is_grad_enabled() and not torch.compiler.is_compiling() and features.device.type == "cpu":
        if features.dtype == torch.bfloat16 and weight is None:
            # bfloat16 is too coarse for the statistics that the gradient needs. If the scale and the shift are in
            # float32, torch also keeps those statistics in float32.
            weight = features.new_ones(features.shape[1], dtype=torch.float32)
            bias = torch.zeros_like(weight)
        if _is_channels_last(features):
            normalised: Tensor = _ChannelsLastInstanceNorm.apply(features, weight, bias, eps)
            return normalised
    return _normalise(features, weight, bias, eps)


class _ChannelsLastInstanceNorm(torch.autograd.Function):
    """Instance norm whose gradient is that of a batch norm for each image, which is far faster in channels_last."""

    @staticmethod
    def forward(context: Any, features: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
        normalised, mean, rstd = _normalise_with_statistics(features, weight, bias, eps)
        context.save_for_backward(features, weight, bias, mean, rstd)
        context.eps = eps
        return normalised

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, bias, mean, rstd = context.saved_tensors
        needed = context.needs_input_grad[:3]
        if torch.is_grad_enabled():  # double backward
            inputs = [tensor for tensor, is_needed in zip((features, weight, bias), needed, strict=True) if is_needed]
            normalised = _normalise(features, weight, bias, context.eps)
            gradients = iter(torch.autograd.grad(normalised, inputs, gradient, create_graph=True))
            return (*(next(gradients) if is_needed else None for is_needed in needed), None)
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        backward, eps = torch.ops.aten.native_batch_norm_backward, context.eps
        per_image = [
            backward(gradient[n : n + 1], features[n : n + 1], weight, None, None, mean[n], rstd[n], True, eps, needed)
            for n in range(len(features))
        ]
        features_gradients, weight_gradients, bias_gradients = zip(*per_image, strict=True)
        return (
            torch.cat(features_gradients) if needed[0] else None,
            torch.stack(weight_gradients).sum(0) if needed[1] else None,
            torch.stack(bias_gradients).sum(0) if needed[2] else None,
            None,
        )


def _normalise_with_statistics(
    features: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise features by the faster of two operations; also return each map's mean and 1 / std (`rstd`)."""
    count, channels, height, width = features.shape
    if height * width >= SMALL_MAP:
        result: tuple[Tensor, Tensor, Tensor] = torch.native_group_norm(
            features, weight, bias, count, channels, height * width, channels, eps
        )
        return result
    per_image = [torch.native_batch_norm(image[None], weight, bias, None, None, True, 0.0, eps) for image in features]
    maps, means, rstds = zip(*per_image, strict=True)
    return torch.cat(maps), torch.stack(means), torch.stack(rstds)


def _is_channels_last(features: Tensor) -> bool:
    return features.is_contiguous(memory_format=torch.channels_last) and not features.is_contiguous()


def _normalise(features: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    # Unlike torch.group_norm, F.group_norm rejects a single image with maps of one pixel.
    return torch.group_norm(features, features.shape[1], weight, bias, eps)


@dataclass(frozen=True)
class Normalisation:
    """Builds the norm layers of a network.

    Attributes:
        kind: what each feature map is normalised over; see `Norm`.
        affine: whether each layer learns a scale and a shift.
    """

    kind: Norm
    affine: bool

    def __call__(self, channels: int) -> nn.Module:
        """Return a norm layer for `channels` feature maps, or the identity if there is no norm."""
        if self.kind == "instance":
            return InstanceNorm(channels, affine=self.affine)
        if self.kind == "batch":
            return nn.BatchNorm2d(channels, affine=self.affine)
        return nn.Identity()

    @property
    def keeps_bias(self) -> bool:
        """Whether the bias of a convolution directly before the norm has an effect.

        If the norm cancels the bias, the gradient of the bias is rounding noise, which Adam turns into full-size steps.
        """
        return self.kind == "none"
