"""Sequences of layers in which a norm and the layers after it run as one operation, if that is faster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from cgkit.components.layers.fused.folded_convolution import FoldedConvolution
from cgkit.components.layers.fused.norm_act_pad import norm_act_pad, uses_triton
from cgkit.components.layers.fused.operations import NormActPad
from cgkit.components.layers.normalisation import InstanceNorm
from cgkit.components.layers.padding import ReflectionPadding

M = TypeVar("M", bound=nn.Module)


class Layers(nn.Sequential):
    """Layers that are applied one after the other, like `nn.Sequential`.

    On a GPU, an `InstanceNorm`, the ReLU or LeakyReLU after it, the end of a `Residual` and a `ReflectionPadding` are
    computed together (see `norm_act_pad`), also if some of them are missing. The result is the same up to rounding.
    """

    channels_last = True

    def forward(self, features: Tensor) -> Tensor:
        """Apply all layers to `(N, C, H, W)`."""
        if uses_triton(features):
            steps = list(_flatten(self))
            if not any(step._forward_hooks or step._forward_pre_hooks for step in steps):
                return _Program(steps).run(features)
        for layer in self:
            features = layer(features)
        return features


class Residual(nn.Module):
    """The sum of features and of what some layers compute from them (He et al., 2016)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = Layers(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Return `features + layers(features)` for `(N, C, H, W)`."""
        residual: Tensor = self.layers(features)
        return features + residual


class _Begin(nn.Module):
    """Marks the begin of a `Residual`."""


class _End(nn.Module):
    """Marks the end of a `Residual`."""


def _flatten(layers: Iterable[nn.Module]) -> Iterator[nn.Module]:
    """Yield the layers of nested sequences, without those that do nothing."""
    for layer in layers:
        if isinstance(layer, Residual) and not (layer._forward_hooks or layer._forward_pre_hooks):
            yield _Begin()
            yield from _flatten(layer.layers)
            yield _End()
        elif type(layer) in (Layers, nn.Sequential):
            yield from _flatten(layer)  # type: ignore[arg-type]
        elif not isinstance(layer, nn.Identity) and not (
            isinstance(layer, nn.Dropout) and (layer.p == 0 or not layer.training)
        ):
            yield layer


class _Program:
    """Runs layers, as many as possible in one operation."""

    def __init__(self, steps: list[nn.Module]) -> None:
        self._steps = steps
        self._next = 0

    def run(self, features: Tensor) -> Tensor:
        skipped: list[Tensor] = []
        while self._next < len(self._steps):
            norm, activation = self._take(InstanceNorm), self._take(nn.ReLU) or self._take(nn.LeakyReLU)
            end, begin, padding = self._take(_End), self._take(_Begin), self._take(ReflectionPadding)
            plain, convolution = features, None
            if norm or activation or end or padding:
                convolution = self._take(FoldedConvolution) if padding else None
                extra = convolution.extra_columns(features, features.shape[3]) if convolution else 0
                features, plain = norm_act_pad(
                    features,
                    NormActPad(
                        norm is not None,
                        getattr(activation, "negative_slope", 0.0) if activation else 1.0,
                        padding.width if padding else 0,
                        extra,
                        norm.eps if norm else 0.0,
                    ),
                    weight=norm.weight if norm else None,
                    bias=norm.bias if norm else None,
                    residual=skipped.pop() if end else None,
                    dtype=_result_dtype(features),
                )
                if convolution:
                    features = convolution.convolve_extended(features) if extra else convolution(features)
            elif not begin:
                features = self._steps[self._next](features)
                self._next += 1
            if begin:
                skipped.append(plain)
        return features

    def _take(self, kind: type[M]) -> M | None:
        """Return the next layer if it is of a kind, and go past it."""
        if self._next < len(self._steps) and isinstance(step := self._steps[self._next], kind):
            self._next += 1
            return step
        return None


def _result_dtype(features: Tensor) -> torch.dtype:
    """Return the dtype that the next convolution computes in, so that it need not convert its input."""
    device = features.device.type
    is_autocast = torch.is_autocast_enabled(device) and features.dtype == torch.float32
    return torch.get_autocast_dtype(device) if is_autocast else features.dtype
