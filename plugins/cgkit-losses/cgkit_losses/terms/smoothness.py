"""Total variation: translations without noise."""

from __future__ import annotations

from torch import Tensor, nn

from cgkit.contracts import Given, Need


class TotalVariation(nn.Module):
    """Mean absolute difference of neighbouring pixels of a translation (Rudin, Osher and Fatemi, 1992, anisotropic)."""

    needs: tuple[Need, ...] = ("translation",)

    def forward(self, given: Given) -> Tensor:
        """Return the sum of the mean vertical and the mean horizontal difference."""
        assert given.translation is not None
        return given.translation.diff(dim=-2).abs().mean() + given.translation.diff(dim=-1).abs().mean()
