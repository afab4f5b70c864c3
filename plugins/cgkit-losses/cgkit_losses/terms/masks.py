"""Nothing changes outside a mask."""

from __future__ import annotations

from torch import Tensor, nn

from cgkit.contracts import Given, Need


class OutsideMask(nn.Module):
    """Mean absolute change of the source outside its mask, so that only what the mask shows is translated.

    The source of images must have masks, white where images may change. Images without a mask do not count.
    """

    needs: tuple[Need, ...] = ("translation", "mask")

    def forward(self, given: Given) -> Tensor:
        """Return the mean over the pixels outside the masks, a scalar; 0 if there are none.

        Raises:
            ValueError: the domains have different channels.
        """
        assert given.translation is not None
        if given.translation.shape[1] != given.source.shape[1]:
            raise ValueError("outside-mask compares a translation with its source, so both need equal channels")
        outside = (1 - given.extras["mask"]) * given.present["mask"][:, None, None, None]
        change = (given.translation - given.source).abs().mean(1, keepdim=True)
        return (change * outside).sum() / outside.sum().clamp(min=1)
