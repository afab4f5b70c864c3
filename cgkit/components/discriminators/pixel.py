"""The pixel discriminator of pix2pix, which sees colours but no structure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn

from cgkit.components.layers.normalisation import Norm, Normalisation
from cgkit.components.layers.sequence import Layers


class PixelDiscriminator(nn.Module):
    """Classifies each pixel on its own (Isola et al., 2017).

    The network is that of pix2pix and CycleGAN: three 1x1 convolutions, with a norm after the second. A pixel's logit
    depends on other pixels only through the norm.

    Args:
        width: number of channels after the first layer; the second layer doubles it.
        norm: what each feature map is normalised over: one image ("instance"), the batch ("batch") or nothing ("none").
        affine: whether the norm learns a scale and a shift.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Annotated[int, Ge(1), Le(512)] = 64,
        norm: Norm = "instance",
        affine: bool = False,
    ) -> None:
        super().__init__()
        norms = Normalisation(norm, affine)
        self.layers = Layers(
            nn.Conv2d(in_channels, width, 1),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(width, 2 * width, 1, bias=norms.keeps_bias),
            norms(2 * width),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(2 * width, 1, 1),
        )

    @staticmethod
    def example(folder: Path) -> dict[str, int]:
        """Return the options of a small network."""
        return {"width": 8}

    def forward(self, images: Tensor) -> Tensor:
        """Return one logit per pixel, `(N, 1, H, W)`, for `(N, in_channels, H, W)`."""
        logits: Tensor = self.layers(images)
        return logits
