"""Pools of past translations, so that discriminators do not overfit to the latest ones (Shrivastava et al., 2017).

Each pool is one tensor. The CPU draws which images are swapped, without seeing them, and sends only their places to the
device. So no decision waits for the device, and a CUDA graph can contain the exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cgkit.data.randomness import generator
from cgkit.engine.gpu.arithmetic import deterministic_algorithms
from cgkit.errors import CheckpointError

Places = dict[str, Tensor]
"""For each domain, where the images of a batch of N come from and go to, int64 `(3, N)`: see `ImagePool.draw`."""


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
        self.count = 0
        """The number of stored images."""
        self._rows: Tensor | None = None
        """The stored images, and one more row for images that are not stored: `(capacity + 1, C, H, W)`."""
        self.replaced: list[tuple[Tensor, Tensor]] = []
        """The places that the exchanges of this step wrote to, and what was there before."""

    @property
    def images(self) -> Tensor | None:
        """The stored images, `(count, C, H, W)`; None if there are none."""
        return None if self._rows is None or not self.count else self._rows[: self.count]

    def draw(self, count: int, draws: torch.Generator) -> Tensor:
        """Decide on the swaps for a batch of `count` images, in order.

        Returns:
            For each image, int64 `(3, count)` on the CPU: the place of the stored image to show, or -1; the index of
            the image of this batch to show otherwise, which may be an earlier one that was just stored; and the place
            to store the image at, or `capacity` if it is not kept.
        """
        stored, shown, kept = [-1] * count, list(range(count)), [self.capacity] * count
        owners: dict[int, int] = {}
        for index in range(count):
            if self.count < self.capacity:
                place = self.count
                self.count += 1
            elif self.capacity and torch.rand((), generator=draws) < 0.5:
                place = int(torch.randint(self.capacity, (), generator=draws))
                if place in owners:
                    shown[index] = owners[place]
                    kept[owners[place]] = self.capacity
                else:
                    stored[index] = place
            else:
                continue
            kept[index] = place
            owners[place] = index
        return torch.tensor([stored, shown, kept])

    def exchange(self, images: Tensor, places: Tensor) -> Tensor:
        """Return a batch for the discriminator: new images, some of them swapped for stored ones.

        Args:
            images: newly generated images, `(N, C, H, W)`, detached.
            places: the result of `draw`, on the device of the images.
        """
        if self.capacity == 0:
            return images
        rows = self._allocate(images)
        stored, shown, kept = places
        is_stored = (stored >= 0)[:, None, None, None]
        fakes = torch.where(is_stored, rows.index_select(0, stored.clamp(min=0)), images.index_select(0, shown))
        self.replaced.append((kept, rows.index_select(0, kept)))
        _write(rows, kept, images)
        return fakes

    def keep(self, finite: Tensor) -> None:
        """End the step: if `finite`, a boolean scalar on the device, is false, undo its exchanges on the device."""
        while self.replaced:
            kept, before = self.replaced.pop()
            assert self._rows is not None
            _write(self._rows, kept, torch.where(finite, self._rows.index_select(0, kept), before))

    def undo(self) -> None:
        """Undo the exchanges of this step."""
        while self.replaced:
            kept, before = self.replaced.pop()
            assert self._rows is not None
            _write(self._rows, kept, before)

    def load(self, images: Tensor | None) -> None:
        """Restore the stored images, `(N, C, H, W)`.

        Raises:
            CheckpointError: there are more images than the capacity.
        """
        self.replaced.clear()
        self.count = 0 if images is None else len(images)
        if self.count > self.capacity:
            raise CheckpointError(f"the saved image pool holds {self.count} images, more than {self.capacity}")
        if images is not None and self.count:
            self._allocate(images)[: self.count] = images

    def _allocate(self, images: Tensor) -> Tensor:
        """Return the rows, which have the shape and dtype of the first images; they never move after that.

        Rows that were saved in another precision are converted.
        """
        if self._rows is None:
            self._rows = images.new_zeros((self.capacity + 1, *images.shape[1:]))
        self._rows = self._rows.to(images.dtype)
        return self._rows


def _write(rows: Tensor, places: Tensor, images: Tensor) -> None:
    """Write images to rows of a pool.

    Only the row of images that are not kept, which is never read, is written twice. So the order of writing does not
    matter, and torch's deterministic algorithm, which first sorts the places, is not needed.
    """
    with deterministic_algorithms(False):
        rows.index_copy_(0, places, images)


class ImagePools:
    """The image pools of both domains on one rank.

    Args:
        capacity: the maximum number of images in each pool; 0 disables the pools.
        seed: the run's seed; all random draws depend only on it, the step, the batch and `stream`.
        stream: distinguishes the random draws of this rank (see `Processes.stream`).
    """

    def __init__(self, capacity: int, seed: int, stream: tuple[int, ...]) -> None:
        self.capacity = capacity
        self.pools = {domain: ImagePool(capacity) for domain in ("a", "b")}
        self.places: Places = {}
        """The places of the next exchange, by domain, on the device of the images."""
        self._seed = seed
        self._stream = stream

    def draw(self, step: int, number: int, counts: Mapping[str, int]) -> Places:
        """Return the places for an exchange, on the CPU, in memory from which they are copied without waiting.

        Args:
            step: the number of steps done.
            number: the number of the batch within the step, from 0.
            counts: the number of images that each domain exchanges; domains that exchange none are left out.
        """
        return {
            domain: self.pools[domain].draw(
                count, generator(self._seed, f"image-pool-{domain}", step, number, *self._stream)
            )
            for domain, count in counts.items()
        }

    def exchange(self, fakes: Fakes) -> Fakes:
        """Return the generated images of both domains, some of them swapped for stored ones."""
        return Fakes(self._exchange("a", fakes.a), self._exchange("b", fakes.b))

    def keep(self, finite: Tensor) -> None:
        """End the step: if `finite`, a boolean scalar on the device, is false, undo its exchanges on the device."""
        for pool in self.pools.values():
            pool.keep(finite)

    @property
    def exchanged(self) -> dict[str, list[tuple[Tensor, Tensor]]]:
        """The exchanges that can still be undone; a recorded step sets them, because it repeats them on the device."""
        return {domain: list(pool.replaced) for domain, pool in self.pools.items()}

    @exchanged.setter
    def exchanged(self, exchanged: Mapping[str, list[tuple[Tensor, Tensor]]]) -> None:
        for domain, pool in self.pools.items():
            pool.replaced = list(exchanged.get(domain, ()))

    def counts(self) -> dict[str, int]:
        """Return the number of stored images by domain."""
        return {domain: pool.count for domain, pool in self.pools.items()}

    def undo(self, counts: Mapping[str, int]) -> None:
        """Undo the exchanges of this step; `counts` is the result of `counts` before the first step to forget."""
        for domain, count in counts.items():
            self.pools[domain].undo()
            self.pools[domain].count = count

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of the stored images by domain, `(N, C, H, W)`; empty pools are left out."""
        return {domain: pool.images.clone() for domain, pool in self.pools.items() if pool.images is not None}

    def load(self, tensors: Mapping[str, Tensor | None], device: torch.device) -> None:
        """Restore the stored images from a checkpoint.

        Raises:
            CheckpointError: the checkpoint holds more images than the capacity.
        """
        for domain, pool in self.pools.items():
            images = tensors.get(domain)
            pool.load(None if images is None else images.to(device))

    def _exchange(self, domain: str, images: Tensor | None) -> Tensor | None:
        return None if images is None else self.pools[domain].exchange(images, self.places[domain])
