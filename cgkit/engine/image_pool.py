"""Pools of past translations, so that discriminators do not overfit to the latest ones (Shrivastava et al., 2017)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cgkit.data.randomness import generator
from cgkit.errors import CheckpointError


@dataclass(frozen=True)
class Fakes:
    """The generated images shown to each discriminator; None for a discriminator that is not trained."""

    a: Tensor | None
    b: Tensor | None


class ImagePool:
    """Holds up to `capacity` generated images of one domain.

    Once the pool is full, each new image is swapped for a random stored one with probability 1/2.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.images: list[Tensor] = []
        """The stored images, `(C, H, W)` each. They are replaced, but never modified in place."""

    def exchange(self, images: Tensor, draws: torch.Generator) -> Tensor:
        """Return a batch for the discriminator: new images, some of them swapped for stored ones.

        Args:
            images: newly generated images, `(N, C, H, W)`, detached.
            draws: the random generator that decides on swaps; on the CPU, so that no decision waits for the device.
        """
        if self.capacity == 0:
            return images
        shown = []
        for image in images:
            if len(self.images) < self.capacity:
                self.images.append(image.clone())
                shown.append(image)
            elif torch.rand((), generator=draws) < 0.5:
                index = int(torch.randint(self.capacity, (), generator=draws))
                shown.append(self.images[index])
                self.images[index] = image.clone()
            else:
                shown.append(image)
        return torch.stack(shown)


class ImagePools:
    """The image pools of both domains on one rank.

    Args:
        capacity: the maximum number of images in each pool; 0 disables the pools.
        seed: the run's seed; all random draws depend only on it, the step, the batch and `stream`.
        stream: distinguishes the random draws of this rank (see `Processes.stream`).
    """

    def __init__(self, capacity: int, seed: int, stream: tuple[int, ...]) -> None:
        self.pools = {domain: ImagePool(capacity) for domain in ("a", "b")}
        self._seed = seed
        self._stream = stream
        self._batch = (0, 0)

    def start_batch(self, step: int, number: int) -> None:
        """Set the step of the next exchange, and the number of the batch within that step, from 0."""
        self._batch = (step, number)

    def exchange(self, fakes: Fakes) -> Fakes:
        """Return the generated images of both domains, some of them swapped for stored ones."""
        return Fakes(self._exchange("a", fakes.a), self._exchange("b", fakes.b))

    def snapshot(self) -> dict[str, list[Tensor]]:
        """Return the stored images, so that `undo` can restore them if the next step fails. No tensor is copied."""
        return {domain: list(pool.images) for domain, pool in self.pools.items()}

    def undo(self, snapshot: Mapping[str, list[Tensor]]) -> None:
        """Undo all exchanges since a snapshot."""
        for domain, images in snapshot.items():
            self.pools[domain].images = list(images)

    def tensors(self) -> dict[str, Tensor]:
        """Return the stored images by domain, `(N, C, H, W)`; empty pools are left out."""
        return {domain: torch.stack(pool.images) for domain, pool in self.pools.items() if pool.images}

    def load(self, tensors: Mapping[str, Tensor | None], device: torch.device) -> None:
        """Restore the stored images from a checkpoint.

        Raises:
            CheckpointError: the checkpoint holds more images than the capacity.
        """
        for domain, pool in self.pools.items():
            images = tensors.get(domain)
            if images is not None and len(images) > pool.capacity:
                raise CheckpointError(f"the saved image pool holds {len(images)} images, more than {pool.capacity}")
            pool.images = [] if images is None else list(images.to(device))

    def _exchange(self, domain: str, images: Tensor | None) -> Tensor | None:
        if images is None:
            return None
        draws = generator(self._seed, f"image-pool-{domain}", *self._batch, *self._stream)
        return self.pools[domain].exchange(images, draws)
