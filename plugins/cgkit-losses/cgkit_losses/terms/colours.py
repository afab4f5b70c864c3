"""Colours stay what they are."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.contracts import Given, Need


class ColourPreservation(nn.Module):
    """Mean absolute difference between the colours of a source and of its translation, averaged over areas.

    Textures and edges may change, as after Ignatov et al. (2017, "DSLR-quality photos"), who blur with a Gaussian.

    Args:
        area: the side of the averaged areas in pixels; images must be at least as large.
    """

    needs: tuple[Need, ...] = ("translation",)

    def __init__(self, *, area: Annotated[int, Ge(1), Le(1024)] = 8) -> None:
        super().__init__()
        self._area = area

    def forward(self, given: Given) -> Tensor:
        """Return the difference, a scalar.

        Raises:
            ValueError: the domains have different channels, or the images are smaller than `area`.
        """
        assert given.translation is not None
        if given.translation.shape[1] != given.source.shape[1]:
            raise ValueError("colour-preservation needs equal channels in both domains")
        if min(given.source.shape[-2:]) < self._area:
            raise ValueError(f"the images are smaller than area = {self._area}")
        return F.l1_loss(F.avg_pool2d(given.translation, self._area), F.avg_pool2d(given.source, self._area))
