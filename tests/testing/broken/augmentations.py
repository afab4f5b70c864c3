"""Augmentations that keep or break their contract."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.testing.broken.registry import breaks, breaks_only, good


@good("augmentations")
class Flip(nn.Module):
    """Flips images.

    Args:
        p: the probability.
    """

    role = "data"

    def __init__(self, *, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, images: Tensor) -> Tensor:
        return images.flip(-1) if torch.rand(()) < self.p else images


@breaks_only("augmentations", "augmentations-do-nothing-at-p-zero")
class IgnoresP(Flip):
    """Always flips.

    Args:
        p: has no effect.
    """

    def forward(self, images: Tensor) -> Tensor:
        return images.flip(-1)


@breaks("augmentations", "is-decided-by-torchs-seed")
class OwnRandomness(Flip):
    """Has a random generator of its own.

    Args:
        p: the probability.
    """

    def __init__(self, *, p: float = 0.5) -> None:
        super().__init__(p=p)
        self.random = np.random.default_rng(0)

    def forward(self, images: Tensor) -> Tensor:
        return images * float(self.random.random()) if self.p else images


@breaks_only("augmentations", "augmentations-have-a-role")
class UnknownRole(nn.Module):
    """Has an unknown role."""

    role = "everything"

    def forward(self, images: Tensor) -> Tensor:
        return images.flip(-1)


@breaks_only("augmentations", "augmentations-keep-shape-and-type")
class ToFloat64(nn.Module):
    """Converts float32 to float64."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images.double()


@breaks("augmentations", "augmentations-keep-shape-and-type")
class DropsColumn(nn.Module):
    """Loses a column."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images[..., 1:]


@breaks_only("augmentations", "augmentations-stay-in-range")
class AboveOne(nn.Module):
    """Exceeds 1."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images * 1.5


@breaks("augmentations", "augmentations-stay-in-range")
class BelowZero(nn.Module):
    """Falls below 0."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images - 0.1


@breaks_only("augmentations", "augmentations-leave-their-input-alone")
class InPlace(nn.Module):
    """Changes its input."""

    role = "data"

    def forward(self, images: Tensor) -> Tensor:
        return images.mul_(0.5)


@breaks_only("augmentations", "what-a-discriminator-sees-is-differentiable")
class Detached(nn.Module):
    """Cuts the gradient."""

    role = "adversarial"

    def forward(self, images: Tensor) -> Tensor:
        return images.detach().flip(-1)


@good("augmentations")
class Shifted(nn.Module):
    """Adds a number that it can draw beforehand."""

    role = "adversarial"

    def draw(self, count: int) -> Tensor:
        return torch.rand(count, 1, 1, 1, device="cpu")

    def forward(self, images: Tensor, draws: Tensor | None = None) -> Tensor:
        return images + (self.draw(len(images)) if draws is None else draws).to(images.dtype)


@breaks_only("augmentations", "what-draws-beforehand-draws-the-same")
class ShiftedTwice(Shifted):
    """Draws a second number."""

    def forward(self, images: Tensor, draws: Tensor | None = None) -> Tensor:
        return super().forward(images, draws) + torch.rand((), dtype=images.dtype)


@good("augmentations")
class Adaptive(nn.Module):
    """Adds the sum of the mean logits that it observed."""

    role = "adversarial"

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.shift

    def observe(self, real_logits: Sequence[Tensor]) -> None:
        self.shift += real_logits[0].mean()


@breaks_only("augmentations", "what-adapts-keeps-its-state-in-buffers")
class CountsOutsideBuffers(Adaptive):
    """Counts its observations in a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.observations = 0

    def observe(self, real_logits: Sequence[Tensor]) -> None:
        if self.observations % 5 == 0:
            super().observe(real_logits)
        self.observations += 1 if float(real_logits[0].mean()) > 0 else 2


class HalvedWindow(nn.Module):
    """Cuts a window at half the resolution."""

    role = "framing"

    def __init__(self) -> None:
        super().__init__()

    def scaled_size(self, image: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        return max(size[0], image[0] // 2), max(size[1], image[1] // 2)

    def forward(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        scaled = F.interpolate(image, (max(size[0], image.shape[2] // 2), max(size[1], image.shape[3] // 2)))
        top, left = (int(torch.randint(scaled.shape[axis] - size[axis - 2] + 1, ())) for axis in (2, 3))
        return scaled[..., top : top + size[0], left : left + size[1]]


good("augmentations")(HalvedWindow)


@breaks_only("augmentations", "framings-scale-as-they-say")
class MisstatedScale(HalvedWindow):
    """Says that it does not scale."""

    def scaled_size(self, image: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        return image


@breaks("augmentations", "framings-scale-as-they-say")
class ScaleBelowTheWindow(HalvedWindow):
    """Says that it scales images to less than the window."""

    def scaled_size(self, image: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
        return size[0] // 2, size[1] // 2
