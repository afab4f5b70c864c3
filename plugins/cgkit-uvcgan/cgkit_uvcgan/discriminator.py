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
    """PatchGAN that also sees how much images differ from those before them (UVCGANv2; arXiv 2303.16280).

    The body is a PatchGAN (Isola et al., 2017) without its last layer. Its head is the end of ProGAN's discriminator
    (Karras et al., 2018): the standard deviation of every feature over the batch, averaged to one number, becomes one
    more channel, and two 3x3 convolutions make the logits. Since batches are as small as one image, the batch is
    completed by the features of the images that the discriminator learned from last: of real ones for real images, of
    made ones for made images. Where it is not said what images are, as for a gradient penalty between both kinds, they
    are completed by the mean of the two.

    Height and width must be at least `3 * 2**layers`.

    Args:
        width: channels after the first layer.
        layers: how often height and width are halved.
        norm: normalise each feature map over one image ("instance"), or not ("none").
        spectral_norm: divide the weight of each of the body's convolutions by its spectral norm (Miyato et al., 2018).
        memory: of how many past images of each kind features are kept; 0 looks at the batch alone.
        size: height and width of the images; where a spec is silent, those that are trained on. The features of
            images of another size are remembered scaled.
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
        # `layers` halvings, then a 4x4 convolution that takes one pixel away.
        height, across = (max((side >> layers) - 1, 1) for side in size)
        self.memories = nn.ModuleDict(
            {kind: FeatureMemory(memory, channels, (height, across)) for kind in ("real", "fake")}
        )

    @staticmethod
    def example(folder: Path) -> dict[str, int]:
        """Return options of a small one."""
        return {"width": 8, "layers": 2}

    def forward(self, images: Tensor, *, real: bool | None = None, learning: bool = False) -> Tensor:
        """Return one logit a patch, `(N, 1, h, w)`, for `(N, in_channels, H, W)`.

        Args:
            images: what is judged.
            real: whether they are real images, where that is known.
            learning: whether the discriminator learns from them: features of a known kind are then remembered.

        Raises:
            ValueError: height or width is less than `least`.
        """
        check_size(images, least=self.least)
        features = self.body(images)
        spread = _deviation(features, *self._recalled(real, features)).to(features.dtype)
        logits: Tensor = self.head(torch.cat((features, spread.expand_as(features[:, :1])), 1))
        if learning and real is not None:
            self._memory(real).remember(features)
        return logits

    @staticmethod
    def recommended(size: Size) -> dict[str, list[int]]:
        """Return the size itself: that of the features that are remembered."""
        return {"size": list(size)}

    def _recalled(self, real: bool | None, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return what features are judged among, and 1 or 0 for what is there and what is not."""
        height, width = features.shape[-2:]
        if real is not None:
            return self._memory(real).recall((height, width))
        (reals, some), (fakes, others) = (self._memory(kind).recall((height, width)) for kind in (True, False))
        return (reals + fakes) / 2, some * others

    def _memory(self, real: bool) -> FeatureMemory:
        memory: FeatureMemory = self.memories["real" if real else "fake"]  # type: ignore[assignment]
        return memory


def _deviation(features: Tensor, remembered: Tensor, there: Tensor) -> Tensor:
    """Return the standard deviation over all images that are there, averaged over all else, as `(1, 1, 1, 1)`.

    Args:
        features: `(N, C, h, w)`.
        remembered: `(M, C, h, w)`.
        there: 1 for those of `remembered` that count, 0 for the others, as `(M, 1, 1, 1)`.
    """
    together = torch.cat((features.to(remembered.dtype), remembered))
    shares = torch.cat((there.new_ones(len(features), 1, 1, 1), there))
    shares = shares / shares.sum()
    variances = (shares * (together - (shares * together).sum(0, keepdim=True)).square()).sum(0, keepdim=True)
    # The root of zero has no finite gradient, and all are equal in a batch of one.
    return (variances + 1e-6).sqrt().mean((1, 2, 3), keepdim=True)
