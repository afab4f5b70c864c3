"""The U-Net generator of pix2pix and CycleGAN."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Le, Lt
from torch import Tensor, nn

from cgkit.components.generators import unet_published
from cgkit.components.generators.published import convert_to_published
from cgkit.components.layers.normalisation import Norm, Normalisation
from cgkit.components.layers.sequence import Layers
from cgkit.components.layers.sizes import check_size
from cgkit.contracts import Recognised, Size

_DEEPEST = 8


class UnetGenerator(nn.Module):
    """Encoder and decoder with skip connections (Isola et al., 2017).

    The network is that of pix2pix and CycleGAN; their PyTorch code calls it `unet_128` (depth 7) and `unet_256` (depth
    8). The encoder has `depth` 4x4 convolutions that halve height and width; the number of channels doubles up to 8
    times `width`. The decoder has the same number of transposed convolutions; each of them except the innermost also
    receives the encoder's features of the same size. There is no norm after the first and last encoder layers or
    before the tanh.

    Height and width must be multiples of `2**depth`.

    Args:
        width: number of channels after the first layer.
        depth: number of times that height and width are halved; if a spec does not set it, the largest number, up to 8,
            that the training size allows.
        dropout: the fraction of features dropped during training in the decoder layers that output 8 times `width`
            channels, except the innermost; 0.5 in pix2pix.
        norm: what each feature map is normalised over: one image ("instance"), the batch ("batch") or nothing ("none").
        affine: whether each norm learns a scale and a shift, as in pix2pix.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Annotated[int, Ge(1), Le(512)] = 64,
        depth: Annotated[int, Ge(1), Le(10)] = _DEEPEST,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        norm: Norm = "instance",
        affine: bool = False,
    ) -> None:
        super().__init__()
        self.stride = 2**depth
        norms = self._norms = Normalisation(norm, affine)
        self._depth = depth
        widths = [width * min(2**level, 8) for level in range(depth)]
        self.down = nn.ModuleList(
            _encoder_layer(before, after, norms, outermost=level == 0, innermost=level == depth - 1)
            for level, (before, after) in enumerate(pairwise([in_channels, *widths]))
        )
        self.up = nn.ModuleList()
        incoming = widths[-1]
        for level in range(depth - 1, 0, -1):
            after = widths[level - 1]
            keeps_width = after == widths[level] and level < depth - 1
            self.up.append(_decoder_layer(incoming, after, norms, dropout if keeps_width else 0.0))
            incoming = 2 * after  # the skip connection doubles the channels
        self.up.append(Layers(nn.ReLU(inplace=True), nn.ConvTranspose2d(incoming, out_channels, 4, 2, 1), nn.Tanh()))

    @staticmethod
    def example(folder: Path) -> dict[str, int]:
        """Return the options of a small network."""
        return {"width": 8, "depth": 4}

    def forward(self, images: Tensor) -> Tensor:
        """Translate images `(N, in_channels, H, W)` in [-1, 1] to `(N, out_channels, H, W)` in [-1, 1].

        Raises:
            ValueError: height or width is not a multiple of `2**depth`.
        """
        check_size(images, least=self.stride, multiple=self.stride)
        skips: list[Tensor] = []
        features = images
        for layer in self.down:
            features = layer(features)
            skips.append(features)
        skips.pop()
        for layer in self.up:
            features = layer(features)
            if skips:
                features = torch.cat((skips.pop(), features), 1)
        return features

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the images, and the features after each layer of the encoder that leaves at least 8 x 8 positions."""
        check_size(images, least=self.stride, multiple=self.stride)
        features = [images]
        for layer in self.down:
            if min(features[-1].shape[-2:]) < 16:
                break
            features.append(layer(features[-1]))
        return features

    @staticmethod
    def recommended(size: Size) -> dict[str, int]:
        """Return the greatest depth, up to 8 as published, that images of height and width `size` allow."""
        common = gcd(*size)
        halvings = (common & -common).bit_length() - 1
        return {"depth": min(max(halvings, 1), _DEEPEST)}

    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> Recognised | None:
        """Recognise the tensors of a published network; they do not reveal whether the network has dropout."""
        return unet_published.recognise(tensors, UnetGenerator)

    def published_tensors(self) -> dict[str, Tensor]:
        """Return the tensors of this network under their published names.

        Raises:
            ValueError: the depth is 1, which no published network has, or this network has a bias that the published
                one lacks.
        """
        return convert_to_published(self, unet_published.layers(self._depth), self._norms)


def _encoder_layer(before: int, after: int, norms: Normalisation, *, outermost: bool, innermost: bool) -> Layers:
    normed = not (outermost or innermost)
    # As in the published code, if the other layers use batch norm, even the two layers without a norm have no bias.
    bias = norms.keeps_bias if normed else norms.kind != "batch"
    layers: list[nn.Module] = [nn.Conv2d(before, after, 4, 2, 1, bias=bias)]
    if normed:
        layers.append(norms(after))
    if not innermost:
        # Activating here, not before the next convolution, gives the skip connection activated features, as in the
        # published code, which activates in place. Either way, the decoder's ReLU makes the result the same.
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    return Layers(*layers)


def _decoder_layer(before: int, after: int, norms: Normalisation, dropout: float) -> Layers:
    return Layers(
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(before, after, 4, 2, 1, bias=norms.keeps_bias),
        norms(after),
        nn.Dropout(dropout),
    )
