"""Which images meet at which step: every image of a domain once an epoch, the domains ordered independently."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from cgkit.contracts import Domain
from cgkit.data.randomness import derive_seed, generator
from cgkit.errors import PluginError


class EpochOrder:
    """The endless order in which the images of one domain are shown.

    A domain may have an order of its own; without one, every order is as likely.

    Args:
        domain: the images.
        seed: the run's seed.
        stream: the domain's own stream, so that both domains are shuffled independently.
    """

    def __init__(self, domain: Domain, seed: int, stream: str) -> None:
        self._domain = domain
        self._length = len(domain)
        self._seed = seed
        self._stream = stream
        self._epochs: dict[int, Tensor] = {}

    def __getitem__(self, position: int) -> int:
        """Return the index of the image at a position, counted from the run's start."""
        epoch, place = divmod(position, self._length)
        if epoch not in self._epochs:
            # A batch may reach over the end of an epoch, so the one before is kept.
            self._epochs = {known: order for known, order in self._epochs.items() if abs(known - epoch) == 1}
            self._epochs[epoch] = self._order(epoch)
        return int(self._epochs[epoch][place])

    def _order(self, epoch: int) -> Tensor:
        own = getattr(self._domain, "order", None)
        if own is None:
            return torch.randperm(self._length, generator=generator(self._seed, self._stream, epoch))
        order = torch.as_tensor(own(epoch, derive_seed(self._seed, self._stream)), dtype=torch.int64)
        if not torch.equal(order.sort().values, torch.arange(self._length)):
            raise PluginError(f"the source's order of epoch {epoch} is not a permutation of its {self._length} images")
        return order


class StepBatches:
    """A batch sampler: the positions of each batch from a step on, `accumulate` batches a step.

    With several processes, each takes every `count`-th position from its own rank on: together they see the batch that
    one process would see.
    """

    def __init__(
        self, first_step: int, steps: int, batch: int, accumulate: int = 1, *, rank: int = 0, count: int = 1
    ) -> None:
        self._first = first_step * accumulate
        self._last = steps * accumulate
        self._batch = batch
        self._rank = rank
        self._count = count

    def __iter__(self) -> Iterator[list[int]]:
        for number in range(self._first, self._last):
            yield list(range(number * self._batch + self._rank, (number + 1) * self._batch, self._count))

    def __len__(self) -> int:
        return max(0, self._last - self._first)
