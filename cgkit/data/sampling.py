"""Decide which images are paired at each step: each domain shows all its images once per epoch, in its own order."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from cgkit.abilities import order_of
from cgkit.contracts import Domain
from cgkit.data.randomness import derive_seed, generator
from cgkit.errors import PluginError


class EpochOrder:
    """The endless order in which the images of a domain are shown.

    A domain may define its own order; otherwise each epoch is a uniformly random permutation.

    Args:
        domain: The images.
        seed: The seed of the run.
        stream: The name of the domain's random stream; different names make the orders of the domains independent.
        first: The position at which the first epoch begins. It is not 0 if the images have changed since the start.
    """

    def __init__(self, domain: Domain, seed: int, stream: str, first: int = 0) -> None:
        self._domain = domain
        self._length = len(domain)
        self._seed = seed
        self._stream = stream
        self._first = first
        self._epochs: dict[int, Tensor] = {}

    def __getitem__(self, position: int) -> int:
        """Return the index of the image shown at a position; positions are counted from the start of the run."""
        epoch, index = divmod(position - self._first, self._length)
        if epoch not in self._epochs:
            # Keep the orders of adjacent epochs, since a batch may cross the boundary between epochs.
            self._epochs = {other: order for other, order in self._epochs.items() if abs(other - epoch) == 1}
            self._epochs[epoch] = self._shuffle(epoch)
        return int(self._epochs[epoch][index])

    def _shuffle(self, epoch: int) -> Tensor:
        own, changed = order_of(self._domain), (self._first,) if self._first else ()
        if own is None:
            return torch.randperm(self._length, generator=generator(self._seed, self._stream, *changed, epoch))
        order = torch.as_tensor(own(epoch, derive_seed(self._seed, self._stream, *changed)), dtype=torch.int64)
        if not torch.equal(order.sort().values, torch.arange(self._length)):
            raise PluginError(f"the source's order for epoch {epoch} is not a permutation of its {self._length} images")
        return order


class StepBatches:
    """The positions in each batch of the steps from `first_step` to `steps - 1`, for a `DataLoader`.

    A step has `accumulate` batches of `batch` positions. Each of `count` processes takes every `count`-th position
    of a batch, starting at its rank; together, the processes load the batch that a single process would load. Step 0
    begins at position `offset`.
    """

    def __init__(
        self,
        first_step: int,
        steps: int,
        batch: int,
        accumulate: int = 1,
        *,
        rank: int = 0,
        count: int = 1,
        offset: int = 0,
    ) -> None:
        self._first = first_step * accumulate
        self._last = steps * accumulate
        self._batch = batch
        self._rank = rank
        self._count = count
        self._offset = offset

    def __iter__(self) -> Iterator[list[int]]:
        for number in range(self._first, self._last):
            start = self._offset + number * self._batch
            yield list(range(start + self._rank, start + self._batch, self._count))

    def __len__(self) -> int:
        return max(0, self._last - self._first)
