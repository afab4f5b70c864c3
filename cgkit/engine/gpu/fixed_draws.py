"""Random numbers of augmentations in fixed memory, for a CUDA graph, which cannot draw them on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from cgkit.abilities import draws_of
from cgkit.data.randomness import seeded


@dataclass
class _Call:
    """One augmentation of a discriminator's input: the augmentations, and their draws on the device."""

    augmentations: Sequence[nn.Module]
    count: int
    draws: list[tuple[Tensor, ...]]


@dataclass
class FixedDraws:
    """The draws of all augmentations in a step, in the order of their use.

    `refill` draws from torch's random state what the step itself would draw, so results do not depend on whether a step
    is recorded.
    """

    are_fixed: bool = False
    _calls: list[_Call] = field(default_factory=list)
    _used: int = 0

    def next(self, augmentations: Sequence[nn.Module], images: Tensor) -> list[tuple[Tensor, ...]]:
        """Return the draws of the next use, for augmentations of a batch like `images`, in memory that stays."""
        if self._used == len(self._calls):
            call = _Call(augmentations, len(images), [])
            call.draws = [tuple(draw.to(images.device) for draw in draws) for draws in _draw(call)]
            self._calls.append(call)
        self._used += 1
        return self._calls[self._used - 1].draws

    def restart(self) -> None:
        """Start a step: the next use is the first."""
        self._used = 0

    def refill(self) -> None:
        """Draw the numbers for the next step, and copy them to the device without waiting."""
        for call in self._calls:
            for fixed, fresh in zip(call.draws, _draw(call), strict=True):
                for target, source in zip(fixed, fresh, strict=True):
                    target.copy_(source, non_blocking=True)

    def forget(self) -> None:
        """Go back to draws that are made when they are used."""
        self.are_fixed = False
        self._calls.clear()
        self._used = 0


def draw_seed() -> int:
    """Draw the seed of one use of the augmentations from torch's random state."""
    return int(torch.randint(2**62, ()))


def _draw(call: _Call) -> list[tuple[Tensor, ...]]:
    """Return the draws of each augmentation, on the CPU, as `Objective` would draw them."""
    with seeded(draw_seed()):
        return [(draw(call.count),) for draw in map(draws_of, call.augmentations) if draw is not None]
