"""The generator of UVCGAN and UVCGANv2."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le, MaxLen, MinLen
from torch import Tensor, nn

from cgkit.components.layers.sizes import check_size
from cgkit_uvcgan.modulation import ModulatedConvolution
from cgkit_uvcgan.transformer import PixelwiseVisionTransformer

Width = Annotated[int, Ge(1), Le(4096)]


class VitUnetGenerator(nn.Module):
    """U-Net with a pixel-wise vision transformer as its bottleneck (Torbunov et al., 2023).

    The published network consists of a 3x3 convolution to the first width; encoder levels of two 3x3 convolutions and a
    strided 2x2 convolution; the transformer; decoder levels of nearest-neighbour upsampling with a 3x3 convolution,
    followed by two 3x3 convolutions that also receive the skip connection; a 1x1 convolution and a tanh. UVCGAN
    applies an instance norm before each of the two convolutions of a level. UVCGANv2 (`modulated`) has no norms; an
    extra token of the transformer describes the image and modulates the convolutions of every decoder level.

    The published networks were trained after self-supervised pre-training. Without norms and with weights drawn from
    N(0, 0.02) as published, almost no signal would pass through an untrained encoder; a modulated network therefore
    initialises its own weights, with convolutions as in He et al. (2015).

    Height and width must be multiples of `stride`.

    Args:
        features: number of channels at each level, the innermost last; every level halves height and width.
        blocks: number of transformer blocks.
        heads: number of attention heads; must divide the width of the transformer.
        width: width of the transformer, i.e. the size of a token.
        positions: size of the positional embedding of a pixel.
        feed_forward: hidden width of the transformer's feed-forward layers.
        modulated: whether to modulate the decoder with a style from the transformer instead of using norms (UVCGANv2).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        features: Annotated[tuple[Width, ...], MinLen(1), MaxLen(8)] = (48, 96, 192, 384),
        blocks: Annotated[int, Ge(0), Le(64)] = 12,
        heads: Annotated[int, Ge(1), Le(256)] = 6,
        width: Width = 384,
        positions: Width = 384,
        feed_forward: Annotated[int, Ge(1), Le(16_384)] = 1536,
        modulated: bool = False,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads = {heads} does not divide width = {width}")
        self.stride = 2 ** len(features)
        self.initialises_itself = modulated
        steps = list(pairwise((features[0], *features)))
        self.first = nn.Sequential(nn.Conv2d(in_channels, features[0], 3, padding=1), nn.LeakyReLU(0.01, inplace=True))
        self.down = nn.ModuleList(
            _Down(before, after, normed=not modulated, last=level == len(features))
            for level, (before, after) in enumerate(steps, start=1)
        )
        self.transformer = PixelwiseVisionTransformer(
            features[-1],
            width=width,
            blocks=blocks,
            heads=heads,
            feed_forward=feed_forward,
            positions=positions,
            styled=modulated,
        )
        self.up = nn.ModuleList(
            _ModulatedUp(wide, narrow, width) if modulated else _Up(wide, narrow) for narrow, wide in reversed(steps)
        )
        self.last = nn.Conv2d(features[0], out_channels, 1)
        if modulated:
            self._initialise()

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Return the options of a small network."""
        transformer = {"blocks": 1, "heads": 2, "width": 16, "positions": 16, "feed_forward": 32}
        return {"features": [8, 16], **transformer}

    def forward(self, images: Tensor) -> Tensor:
        """Translate images `(N, in_channels, H, W)` in [-1, 1] to `(N, out_channels, H, W)` in [-1, 1].

        Raises:
            ValueError: height or width is not a multiple of `stride`.
        """
        check_size(images, least=self.stride, multiple=self.stride)
        features = self.first(images)
        skips: list[Tensor] = []
        for level in self.down:
            features, skip = level(features)
            skips.append(skip)
        features, style = self.transformer(features)
        for level in self.up:
            features = level(features, skips.pop(), style)
        return torch.tanh(self.last(features))

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, a=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


class _Down(nn.Module):
    def __init__(self, before: int, after: int, *, normed: bool, last: bool) -> None:
        super().__init__()
        self.block = nn.Sequential(*_convolution(before, after, normed), *_convolution(after, after, normed))
        # A norm directly after this convolution would cancel its bias, whose gradient would then be rounding noise.
        self.halving = nn.Conv2d(after, after, 2, stride=2, bias=last or not normed)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        skip = self.block(features)
        return self.halving(skip), skip


class _Up(nn.Module):
    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.doubling = _doubling(before, bias=False)  # the norm that follows would cancel a bias
        self.block = nn.Sequential(
            *_convolution(2 * before, before, normed=True), *_convolution(before, after, normed=True)
        )

    def forward(self, features: Tensor, skip: Tensor, style: None) -> Tensor:
        decoded: Tensor = self.block(torch.cat((self.doubling(features), skip), 1))
        return decoded


class _ModulatedUp(nn.Module):
    def __init__(self, before: int, after: int, style: int) -> None:
        super().__init__()
        self.doubling = _doubling(before, bias=True)
        self.convolutions = nn.ModuleList(
            (ModulatedConvolution(2 * before, before, style), ModulatedConvolution(before, after, style))
        )

    def forward(self, features: Tensor, skip: Tensor, style: Tensor) -> Tensor:
        features = torch.cat((self.doubling(features), skip), 1)
        for convolution in self.convolutions:
            features = nn.functional.leaky_relu(convolution(features, style), 0.01)
        return features


def _convolution(before: int, after: int, normed: bool) -> list[nn.Module]:
    # GroupNorm with one group per channel is an instance norm. It replaces nn.InstanceNorm2d, which returns wrong
    # gradients at batch size 1 in channels_last.
    norm = [nn.GroupNorm(before, before, affine=False)] if normed else []
    return [*norm, nn.Conv2d(before, after, 3, padding=1), nn.LeakyReLU(0.01, inplace=True)]


def _doubling(channels: int, *, bias: bool) -> nn.Sequential:
    return nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(channels, channels, 3, padding=1, bias=bias))
