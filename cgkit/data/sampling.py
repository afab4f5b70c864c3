"""Which images meet at which step: every image of a domain once an epoch, the domains shuffled independently."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from cgkit.data.randomness import generator


@dataclass(frozen=True)
class ShuffledOrder:
    """The endless order in which the images of one domain are shown.

    Attributes:
        length: the number of images.
        seed: the run's seed.
        stream: the domain's own stream, so that both domains are shuffled independently.
    """

    length: int
    seed: int
    stream: str

    def __getitem__(self, position: int) -> int:
        """Return the index of the image at a position, counted from the run's start."""
        epoch, place = divmod(position, self.length)
        return int(_permutation(self.length, self.seed, self.stream, epoch)[place])


class StepBatches:
    """A batch sampler: the positions of each batch from a step on, `accumulate` batches a step."""

    def __init__(self, first_step: int, steps: int, batch: int, accumulate: int = 1) -> None:
        self._first = first_step * accumulate
        self._last = steps * accumulate
        self._batch = batch

    def __iter__(self) -> Iterator[list[int]]:
        for number in range(self._first, self._last):
            yield list(range(number * self._batch, (number + 1) * self._batch))

    def __len__(self) -> int:
        return max(0, self._last - self._first)


@lru_cache(maxsize=8)  # two domains, this epoch and the next
def _permutation(length: int, seed: int, stream: str, epoch: int) -> Tensor:
    return torch.randperm(length, generator=generator(seed, stream, epoch))
