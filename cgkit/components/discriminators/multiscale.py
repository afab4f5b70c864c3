"""The discriminator of pix2pixHD, which works at several scales."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.components.discriminators.patch import PatchDiscriminator
from cgkit.components.layers.normalisation import Norm
from cgkit.components.layers.sizes import check_size


class MultiscaleDiscriminator(nn.Module):
    """Patch discriminators on successively smaller copies of the image (Wang et al., 2018).

    As in pix2pixHD (section 3.2 and its PyTorch code), each copy is the previous copy averaged over 3x3 pixels and
    halved in size, and has its own discriminator. The discriminators are `PatchDiscriminator`s, padded as in CycleGAN.

    Height and width must be greater than `(3 * 2**layers - 1) * 2**(scales - 1)`, which is 92 by default.

    Args:
        scales: number of image sizes, including the original one.
        width: number of channels after the first layer of each discriminator.
        layers: number of times that each discriminator halves height and width; with 3, patches have 70x70 pixels.
        norm: what each feature map is normalised over: one image ("instance"), the batch ("batch") or nothing ("none").
        affine: whether each norm learns a scale and a shift.
        spectral_norm: whether to divide each convolution's weight by its spectral norm (Miyato et al., 2018).
    """

    def __init__(
        self,
        in_channels: int,
        *,
        scales: Annotated[int, Ge(1), Le(6)] = 3,
        width: Annotated[int, Ge(1), Le(512)] = 64,
        layers: Annotated[int, Ge(1), Le(6)] = 3,
        norm: Norm = "instance",
        affine: bool = False,
        spectral_norm: bool = False,
    ) -> None:
        super().__init__()
        patches = [
            PatchDiscriminator(
                in_channels, width=width, layers=layers, norm=norm, affine=affine, spectral_norm=spectral_norm
            )
            for _ in range(scales)
        ]
        # Halving rounds odd sides up, so images with one pixel more than this product are large enough at every scale.
        self.least = (patches[0].least - 1) * 2 ** (scales - 1) + 1
        self.discriminators = nn.ModuleList(patches)

    @staticmethod
    def example(folder: Path) -> dict[str, int]:
        """Return the options of a small network."""
        return {"width": 8, "scales": 2}

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the logits of each scale, finest first, each `(N, 1, h, w)`, for `(N, in_channels, H, W)`.

        Raises:
            ValueError: height or width is less than `least`.
        """
        check_size(images, least=self.least)
        logits = []
        for scale, discriminator in enumerate(self.discriminators):
            if scale:
                images = F.avg_pool2d(images, 3, 2, 1, count_include_pad=False)
            logits.append(discriminator(images))
        return logits
