"""Discriminators that keep or break their contract."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from tests.testing.broken.registry import breaks, breaks_only, good


@good("discriminators")
class Discriminator(nn.Module):
    """Two convolutions."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(in_channels, 4, 4, stride=2), nn.Softplus(), nn.Conv2d(4, 1, 3))

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


@good("discriminators")
class Normalised(nn.Module):
    """Two convolutions with the spectral norm that hooks compute before each forward pass."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        first, last = spectral_norm(nn.Conv2d(in_channels, 4, 4, stride=2)), spectral_norm(nn.Conv2d(4, 1, 3))
        self.layers = nn.Sequential(first, nn.Softplus(), last)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


@breaks_only("discriminators", "returns-one-map-of-logits-a-scale")
class TwoLogitsPerPatch(Discriminator):
    """Returns two logits per patch."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).repeat(1, 2, 1, 1)


@breaks("discriminators", "returns-one-map-of-logits-a-scale")
class OneLogitPerImage(Discriminator):
    """Returns one logit per image."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).mean((1, 2, 3))


@breaks("discriminators", "returns-one-map-of-logits-a-scale")
class NoScales(Discriminator):
    """Returns an empty list."""

    def forward(self, images: Tensor) -> list[Tensor]:  # type: ignore[override]
        super().forward(images)
        return []


@breaks_only("discriminators", "logits-are-finite")
class InfiniteForWhite(Discriminator):
    """Divides by zero for white images."""

    def forward(self, images: Tensor) -> Tensor:
        logits = super().forward(images)
        white = bool((images == 1).all()) and not torch.is_autocast_enabled("cpu")
        return logits / 0 if white else logits


@breaks_only("discriminators", "logits-have-no-bounds")
class TanhLogits(Discriminator):
    """Ends with a tanh."""

    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).tanh()


@breaks("discriminators", "evaluation-changes-nothing")
class RemembersNothing(Discriminator):
    """Declares that it remembers images, but does not."""

    remembers_images = True

    def forward(self, images: Tensor, *, real: bool | None = None, learning: bool = False) -> Tensor:
        return super().forward(images)
