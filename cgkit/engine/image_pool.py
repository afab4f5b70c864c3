"""A pool of past made images, so that discriminators do not chase the latest (Shrivastava et al., 2017)."""

from __future__ import annotations

import torch
from torch import Tensor


class ImagePool:
    """Holds up to `capacity` made images of one domain.

    Each image shown to it is, once the pool is full, exchanged for a stored one half of the time.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.images: list[Tensor] = []
        """The stored images, `(C, H, W)` each; a stored image never changes, another takes its place."""

    def exchange(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Return a batch for the discriminator: new images, and stored ones in exchange for some of them.

        Args:
            images: newly made images, `(N, C, H, W)`, detached.
            generator: what decides; a CPU generator, so that deciding never waits for the device.
        """
        if self.capacity == 0:
            return images
        shown = []
        for image in images:
            if len(self.images) < self.capacity:
                self.images.append(image.clone())
                shown.append(image)
            elif torch.rand((), generator=generator) < 0.5:
                place = int(torch.randint(self.capacity, (), generator=generator))
                shown.append(self.images[place])
                self.images[place] = image.clone()
            else:
                shown.append(image)
        return torch.stack(shown)
