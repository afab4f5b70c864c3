"""Terms of the objective that keep or break their contract."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.contracts import Given, Need
from tests.testing.broken.registry import breaks, breaks_only, good


def needed(image: Tensor | None) -> Tensor:
    assert image is not None
    return image


@good("terms")
class Change(nn.Module):
    """Mean absolute change."""

    needs: tuple[Need, ...] = ("translation",)

    def forward(self, given: Given) -> Tensor:
        return (needed(given.translation) - given.source).abs().mean()


@good("terms")
class Masked(nn.Module):
    """Mean absolute change outside a mask."""

    needs: tuple[Need, ...] = ("translation", "mask")

    def forward(self, given: Given) -> Tensor:
        outside = (1 - given.extras["mask"]) * given.present["mask"][:, None, None, None]
        return ((needed(given.translation) - given.source).abs() * outside).mean()


@good("terms")
class Projected(nn.Module):
    """Change of projected features."""

    needs: tuple[Need, ...] = ("translation",)
    trained = True

    def prepare(self, generator: nn.Module, example: Tensor) -> None:
        self.head = nn.Conv2d(generator.features(example)[-1].shape[1], 2, 1)  # type: ignore[operator]

    def forward(self, given: Given) -> Tensor:
        source, translation = (
            self.head(given.generator.features(images)[-1])  # type: ignore[operator]
            for images in (given.source, needed(given.translation))
        )
        # The bias has no effect on a difference, so it is added to the term.
        return (source - translation).square().mean() + source.mean().square()


@breaks_only("terms", "terms-say-what-they-need")
class Undeclared(Change):
    """Mean absolute change."""

    needs = ("translation", "depth")  # type: ignore[assignment]


@breaks("terms", "terms-say-what-they-need")
class Ungenerated(nn.Module):
    """Needs only real images."""

    needs: tuple[Need, ...] = ("source",)

    def forward(self, given: Given) -> Tensor:
        return given.source.mean()


@breaks_only("terms", "terms-are-finite-scalars")
class Unbounded(nn.Module):
    """Divides by the contrast, which may be zero."""

    needs: tuple[Need, ...] = ("translation",)

    def forward(self, given: Given) -> Tensor:
        return 1 / needed(given.translation).std()


@breaks_only("terms", "terms-teach-the-generator")
class Detached(nn.Module):
    """Mean absolute change, detached, plus a constant that needs a gradient."""

    needs: tuple[Need, ...] = ("translation",)

    def forward(self, given: Given) -> Tensor:
        change = (needed(given.translation).detach() - given.source).abs().mean()
        return change + 0 * needed(given.translation).sum()


@breaks_only("terms", "terms-ignore-images-without-extras")
class Unmasked(nn.Module):
    """Mean absolute change outside a mask, even if there is none."""

    needs: tuple[Need, ...] = ("translation", "mask")

    def forward(self, given: Given) -> Tensor:
        return ((needed(given.translation) - given.source).abs() * (1 - given.extras["mask"])).mean()


@breaks_only("terms", "terms-work-under-autocast")
class Rounded(nn.Module):
    """Mean absolute level, after a convolution of levels that are far from zero."""

    needs: tuple[Need, ...] = ("translation",)

    def forward(self, given: Given) -> Tensor:
        same = torch.eye(3)[:, :, None, None]
        return (F.conv2d(needed(given.translation) + 256, same).float() - 256).abs().mean()


@breaks_only("terms", "terms-leave-the-generator-alone")
class Keeping(Change):
    """Mean absolute change; keeps the generator."""

    def prepare(self, generator: nn.Module, example: Tensor) -> None:
        self.generator = generator
