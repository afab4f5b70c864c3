"""Some pairs among unpaired images."""

from __future__ import annotations

from torch import Tensor, nn

from cgkit.contracts import Given, Need


class PairedL1(nn.Module):
    """Mean absolute difference between a translation and the partner of its source, if it has one.

    The source of images must have partners for some images: the same scene in the other domain. Images without a
    partner do not count, so a few pairs can guide many unpaired images.
    """

    needs: tuple[Need, ...] = ("translation", "partner")

    def forward(self, given: Given) -> Tensor:
        """Return the mean over the images that have a partner, a scalar; 0 if none has one."""
        assert given.translation is not None
        difference = (given.translation - given.extras["partner"]).abs().flatten(1).mean(1)
        present = given.present["partner"]
        return (difference * present).sum() / present.sum().clamp(min=1)
