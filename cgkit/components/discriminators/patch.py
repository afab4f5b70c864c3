"""The PatchGAN discriminator of pix2pix and CycleGAN."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as spectrally_normalised

from cgkit.components.layers.normalisation import Norm, Normalisation
from cgkit.components.layers.sequence import Layers
from cgkit.components.layers.sizes import check_size


class PatchDiscriminator(nn.Module):
    """PatchGAN: classifies overlapping patches of an image as real or fake (Isola et al., 2017).

    The network is that of CycleGAN (Zhu et al., 2017, and its PyTorch code): `layers` 4x4 convolutions of stride 2 and
    two of stride 1, zero padding of 1, channel numbers that double up to 8 times `width`, LeakyReLU with a slope of
    0.2, and no norm after the first and last convolutions. The second-to-last convolution has stride 1, as in the
    published code; the paper's text says 2, but then a patch would not be 70x70.

    Height and width must be at least `3 * 2**layers`.

    Args:
        width: number of channels after the first layer.
        layers: number of times that height and width are halved; with 1, 2, 3 or 4 layers, patches have sides of
            16, 34, 70 or 142 pixels.
        norm: what each feature map is normalised over: one image ("instance"), the batch ("batch") or nothing ("none").
        affine: whether each norm learns a scale and a shift.
        spectral_norm: whether to divide each convolution's weight by its spectral norm (Miyato et al., 2018).
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Annotated[int, Ge(1), Le(512)] = 64,
        layers: Annotated[int, Ge(1), Le(6)] = 3,
        norm: Norm = "instance",
        affine: bool = False,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()

        def convolution(before: int, after: int, stride: int, *, bias: bool = True) -> nn.Module:
            layer = nn.Conv2d(before, after, 4, stride, 1, bias=bias)
            return spectrally_normalised(layer) if spectral_norm else layer

        self.least = 3 * 2**layers
        norms = Normalisation(norm, affine)
        widths = [width * min(2**n, 8) for n in range(layers + 1)]
        modules = [convolution(in_channels, width, 2), nn.LeakyReLU(0.2, inplace=True)]
        for n, (before, after) in enumerate(pairwise(widths), start=1):
            modules += [
                convolution(before, after, 2 if n < layers else 1, bias=norms.keeps_bias),
                norms(after),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        modules.append(convolution(widths[-1], 1, 1))
        self.layers = Layers(*modules)

    @staticmethod
    def example(folder: Path) -> dict[str, int]:
        """Return the options of a small network."""
        return {"width": 8}

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit per patch, `(N, 1, h, w)`, for `(N, in_channels, H, W)`.

        Raises:
            ValueError: height or width is less than `least`.
        """
        check_size(images, least=self.least)
        logits: Tensor = self.layers(images)
        return logits

    @property
    def receptive_field(self) -> int:
        """Side in pixels of the patch that a logit depends on, disregarding norms, which depend on the whole image."""
        side = 1
        for layer in reversed(self.layers):
            if isinstance(layer, nn.Conv2d):
                side = (side - 1) * layer.stride[0] + layer.kernel_size[0]
        return side
