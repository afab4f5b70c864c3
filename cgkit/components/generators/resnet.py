"""The residual generator of CycleGAN."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Lt
from torch import Tensor, nn

from cgkit.components.generators import resnet_published
from cgkit.components.generators.published import convert_to_published
from cgkit.components.layers.fused.folded_convolution import FoldedConvolution
from cgkit.components.layers.normalisation import Norm, Normalisation
from cgkit.components.layers.padding import Padding, ReflectionPadding, padding_layer
from cgkit.components.layers.sequence import Layers, Residual
from cgkit.components.layers.sizes import check_size
from cgkit.components.layers.winograd import Convolution3x3
from cgkit.contracts import Recognised, Size


class ResnetGenerator(nn.Module):
    """Residual blocks between downsampling and upsampling convolutions (Johnson et al., 2016).

    The network is that of CycleGAN (Zhu et al., 2017, and its PyTorch code); the paper writes it as
    `c7s1-64, d128, d256, R256 (9 times), u128, u64, c7s1-3`. The 7x7 convolutions and the blocks use reflection
    padding, or what `padding` says; the other layers use zero padding. There is no ReLU after a block's sum and no norm
    before the final tanh.

    Height and width must be multiples of `2**downsamplings` and at least 4 pixels; if there are residual blocks, they
    must also be at least twice `2**downsamplings`.

    Args:
        width: number of channels after the first layer; each downsampling doubles it.
        blocks: number of residual blocks; 9 in the published networks for images of at least 256 x 256 pixels, 6
            in those for smaller images.
        dropout: the fraction of features dropped within each block during training.
        norm: what each feature map is normalised over: one image ("instance"), the batch ("batch") or nothing ("none").
        affine: whether each norm learns a scale and a shift.
        upsample: the kind of upsampling layers: "transposed" (transposed convolutions, as published) or "resize"
            (nearest-neighbour upsampling and a convolution, which avoid checkerboard artefacts; Odena et al., 2016).
        downsamplings: number of times that height and width are halved before the blocks and doubled after them.
        padding: what the blocks see beyond the border: "reflection" as published, "replicate" or "zero"; "all-zero"
            pads the 7x7 convolutions with zeros as well, as DeepLIIF does.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Annotated[int, Ge(1), Le(512)] = 64,
        blocks: Annotated[int, Ge(0), Le(64)] = 9,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
        norm: Norm = "instance",
        affine: bool = False,
        upsample: Literal["transposed", "resize"] = "transposed",
        downsamplings: Annotated[int, Ge(0), Le(5)] = 2,
        padding: Literal["reflection", "replicate", "zero", "all-zero"] = "reflection",
    ) -> None:
        super().__init__()
        self.stride = 2**downsamplings
        # Reflection padding must be smaller than the feature map: it is 3 pixels per side at full size and 1 pixel
        # in the blocks.
        self._least = max(4, 2 * self.stride if blocks else self.stride)
        norms = self._norms = Normalisation(norm, affine)
        self._structure = resnet_published.Structure(downsamplings, blocks, dropout > 0)
        self._upsample, self._padding = upsample, padding
        outer: Padding = "zero" if padding == "all-zero" else "reflection"
        inner: Padding = "zero" if padding == "all-zero" else padding
        bias = norms.keeps_bias
        widths = [width * 2**n for n in range(downsamplings + 1)]

        layers = [
            padding_layer(outer, 3),
            *_with_norm_and_relu(FoldedConvolution(in_channels, width, 7, bias=bias), norms),
        ]
        for narrow, wide in pairwise(widths):
            layers += _with_norm_and_relu(nn.Conv2d(narrow, wide, 3, stride=2, padding=1, bias=bias), norms)
        layers += [_residual_block(widths[-1], norms, dropout, inner) for _ in range(blocks)]
        for wide, narrow in pairwise(reversed(widths)):
            if upsample == "resize":
                layers += [nn.Upsample(scale_factor=2), ReflectionPadding(1)]
                layers += _with_norm_and_relu(nn.Conv2d(wide, narrow, 3, bias=bias), norms)
            else:
                doubling: dict[str, Any] = {"stride": 2, "padding": 1, "output_padding": 1}
                layers += _with_norm_and_relu(nn.ConvTranspose2d(wide, narrow, 3, **doubling, bias=bias), norms)
        layers += [padding_layer(outer, 3), FoldedConvolution(width, out_channels, 7), nn.Tanh()]
        self.layers = Layers(*layers)

    @staticmethod
    def example(folder: Path) -> dict[str, int]:
        """Return the options of a small network."""
        return {"width": 8, "blocks": 2}

    def forward(self, images: Tensor) -> Tensor:
        """Translate images `(N, in_channels, H, W)` in [-1, 1] to `(N, out_channels, H, W)` in [-1, 1].

        Raises:
            ValueError: height or width is too small, or not a multiple of `2**downsamplings`.
        """
        check_size(images, least=self._least, multiple=self.stride)
        translations: Tensor = self.layers(images)
        return translations

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the images, the features after each downsampling, and those after the first and the fifth block.

        For the published network these are about the layers from which CUT takes features (Park et al., 2020).
        """
        check_size(images, least=self._least, multiple=self.stride)
        downsamplings, blocks = self._structure.downsamplings, self._structure.blocks
        ends = [3 * (number + 1) + 1 for number in range(1, downsamplings + 1)]
        first_block = 3 * (downsamplings + 1) + 1
        ends += [first_block + number for number in (1, 5) if number <= blocks]
        features = [images]
        for start, end in pairwise([0, *ends]):
            features.append(self.layers[start:end](features[-1]))
        return features

    @staticmethod
    def recommended(size: Size) -> dict[str, int]:
        """Return the published number of blocks for images of height and width `size`."""
        return {"blocks": 9 if max(size) >= 256 else 6}

    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> Recognised | None:
        """Recognise the tensors of a published network, whatever it calls the sequence of layers in a block."""
        return resnet_published.recognise(tensors, ResnetGenerator)

    def published_tensors(self) -> dict[str, Tensor]:
        """Return the tensors of this network under their published names.

        Raises:
            ValueError: `upsample` or `padding` is not the published one, or this network has a bias that the published
                one lacks.
        """
        if self._upsample != "transposed":
            raise ValueError(f'no published network has upsample = "{self._upsample}"')
        if self._padding != "reflection":
            raise ValueError(f'no published network has padding = "{self._padding}"')
        return convert_to_published(self, self._structure.layers(), self._norms)


def _residual_block(channels: int, norms: Normalisation, dropout: float, padding: Padding) -> Residual:
    return Residual(
        padding_layer(padding, 1),
        *_with_norm_and_relu(Convolution3x3(channels, channels, bias=norms.keeps_bias), norms),
        nn.Dropout(dropout),
        padding_layer(padding, 1),
        Convolution3x3(channels, channels, bias=norms.keeps_bias),
        norms(channels),
    )


def _with_norm_and_relu(convolution: nn.Conv2d | nn.ConvTranspose2d, norms: Normalisation) -> list[nn.Module]:
    return [convolution, norms(convolution.out_channels), nn.ReLU(inplace=True)]
