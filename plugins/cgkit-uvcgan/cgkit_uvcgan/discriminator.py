"""The discriminator of UVCGANv2."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cgkit.components.discriminators.patch import PatchDiscriminator
from cgkit.components.layers.sizes import check_size
from cgkit.contracts import Size
from cgkit_uvcgan.memory import FeatureMemory

Side = Annotated[int, Ge(1), Le(16_384)]


class BatchHeadPatchDiscriminator(nn.Module):
    """PatchGAN with a batch statistic over a memory of earlier images (UVCGANv2; arXiv 2303.16280).

    The body is a PatchGAN (Isola et al., 2017) without its last layer. The head is that of ProGAN's discriminator
    (Karras et al., 2018): the standard deviation of every feature over the batch, averaged to one number, is appended
    as a channel, and two 3x3 convolutions compute the logits. Since a batch may be a single image, it is extended by
    stored features of the images that the discriminator was last trained on: those of real images if the batch is
    real, and those of fake images if it is fake. If the kind is unknown, as for the interpolations of a gradient
    penalty, the batch is extended by the mean of the stored real and fake features.

    Height and width must be at least `3 * 2**layers`.

    Args:
        width: number of channels after the first layer.
        layers: number of times that the body halves height and width.
        norm: whether each feature map is normalised over its image ("instance") or not ("none").
        spectral_norm: whether to divide the weights of the body's convolutions by their spectral norms (Miyato et al.,
            2018).
        memory: number of past images of each kind whose features are stored; with 0, the batch is not extended.
        size: height and width of the images; by default the training size. Features of images of other sizes are
            resized before they are stored.
    """

    remembers_images = True
    mixes_samples = True

    def __init__(
        self,
        in_channels: int,
        *,
        width: Annotated[int, Ge(1), Le(512)] = 64,
        layers: Annotated[int, Ge(1), Le(6)] = 3,
        norm: Literal["instance", "none"] = "instance",
        spectral_norm: bool = True,
        memory: Annotated[int, Ge(0), Le(4096)] = 3,
        size: tuple[Side, Side] = (256, 256),
    ) -> None:
        super().__init__()
        self.least = 3 * 2**layers
        patch = PatchDiscriminator(in_channels, width=width, layers=layers, norm=norm, spectral_norm=spectral_norm)
        self.body = patch.layers[:-1]
        channels = width * min(2**layers, 8)
        self.head = nn.Sequential(
            nn.Conv2d(channels + 1, channels, 3, padding=1),
            nn.LeakyReLU(0.01, inplace=True),
            nn.Conv2d(channels, 1, 3, padding=1),
        )
        # The body halves a side `layers` times; then a 4x4 convolution removes one pixel.
        height, width = (max((side >> layers) - 1, 1) for side in size)
        self.memories = nn.ModuleDict(
            {kind: FeatureMemory(memory, channels, (height, width)) for kind in ("real", "fake")}
        )

    @staticmethod
    def example(folder: Path) -> dict[str, int]:
        """Return the options of a small network."""
        return {"width": 8, "layers": 2}

    def forward(self, images: Tensor, *, real: bool | None = None, learning: bool = False) -> Tensor:
        """Return one logit per patch, `(N, 1, h, w)`, for `(N, in_channels, H, W)`.

        Args:
            images: a batch of images.
            real: whether the images are real; None if unknown.
            learning: whether the discriminator is being trained; if so, the features are stored unless `real` is None.

        Raises:
            ValueError: height or width is below `least`.
        """
        check_size(images, least=self.least)
        features = self.body(images)
        deviation = _mean_deviation(features, *self._recall(real, features)).to(features.dtype)
        logits: Tensor = self.head(torch.cat((features, deviation.expand_as(features[:, :1])), 1))
        if learning and real is not None:
            self._memory(real).remember(features)
        return logits

    @staticmethod
    def recommended(size: Size) -> dict[str, list[int]]:
        """Return the training size, which determines the size of the stored features."""
        return {"size": list(size)}

    def _recall(self, real: bool | None, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stored features for a batch, and a mask that is 1 for occupied slots and 0 for free ones."""
        height, width = features.shape[-2:]
        if real is not None:
            return self._memory(real).recall((height, width))
        (reals, real_mask), (fakes, fake_mask) = (self._memory(kind).recall((height, width)) for kind in (True, False))
        return (reals + fakes) / 2, real_mask * fake_mask

    def _memory(self, real: bool) -> FeatureMemory:
        memory: FeatureMemory = self.memories["real" if real else "fake"]  # type: ignore[assignment]
        return memory


def _mean_deviation(features: Tensor, stored: Tensor, mask: Tensor) -> Tensor:
    """Return the standard deviation over batch and memory, averaged over all other dimensions, as `(1, 1, 1, 1)`.

    Args:
        features: features of the batch, `(N, C, h, w)`.
        stored: features from the memory, `(M, C, h, w)`.
        mask: 1 for occupied slots of `stored`, 0 for free ones, as `(M, 1, 1, 1)`.
    """
    samples = torch.cat((features.to(stored.dtype), stored))
    weights = torch.cat((mask.new_ones(len(features), 1, 1, 1), mask))
    weights = weights / weights.sum()
    variances = (weights * (samples - (weights * samples).sum(0, keepdim=True)).square()).sum(0, keepdim=True)
    # The gradient of the square root is infinite at zero, and the variance of a single image is zero.
    return (variances + 1e-6).sqrt().mean((1, 2, 3), keepdim=True)
