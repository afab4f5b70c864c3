"""Choose the size, the networks and the number of steps of a run for its data, this machine and a given time.

The rule: enough steps first, then the largest images, then the widest and deepest networks. Enough means that a run
shows `ENOUGH_IMAGES` of each domain. If no setting is fast enough for that, the fastest one is taken.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cgkit.contracts import Size
from cgkit.errors import ResourceError
from cgkit.runs.cost.forecast import DISK, count_sheets
from cgkit.runs.cost.pace import Pace
from cgkit.runs.cost.verdict import ENOUGH_IMAGES, SMALLEST
from cgkit.spec.model import Samples

SIDES = (512, 256, 128, 64, 32)
"""Shorter sides of training images to propose, in pixels."""

MULTIPLE = 16
"""The longer side of training images is a multiple of this."""

MOST_IMAGES = 200 * 1334
"""A run shows no more images than the longest published one: horse2zebra, 1,334 images for 200 epochs."""

SEARCH = 8.0
"""Seconds after which no other setting is measured."""

HOPE = 0.6
"""A setting that is not measured yet is assumed to take this fraction of what its work suggests, so that it is measured
if it might fit."""

MOST_SHEETS, MOST_CHECKPOINTS = 40, 20
"""The number of sample sheets and of checkpoints in a run; fewer if they would take more than `SHARE` of the time."""

SHARE = 0.05


@dataclass(frozen=True)
class Candidate:
    """A setting to consider: the training size, the widths and depth of the networks, and why these."""

    size: Size
    width: int
    blocks: int
    discriminator_width: int
    why: str

    @property
    def is_small(self) -> bool:
        """Whether the images are so small that the generators should halve them only once."""
        return min(self.size) <= SMALLEST

    @property
    def batch(self) -> int:
        """The number of images in a batch: 1 as published, 4 of small images, which keep the hardware busier."""
        return 4 if self.is_small else 1

    @property
    def work(self) -> float:
        """The approximate number of multiplications of a step, for comparing candidates."""
        generator = self.width**2 * (18 * self.blocks + 20) + 300 * self.width
        return 6 * self.batch * self.size[0] * self.size[1] * (generator + 12 * self.discriminator_width**2)


@dataclass(frozen=True)
class Sizing:
    """The chosen setting.

    Attributes:
        candidate: the setting.
        pace: its pace on this machine.
        steps: the number of steps.
        sheets: the number of sample sheets.
        checkpoints: the number of checkpoints.
        others: the seconds for these and for scores.
    """

    candidate: Candidate
    pace: Pace
    steps: int
    sheets: int
    checkpoints: int
    others: float

    @property
    def seconds(self) -> float:
        """The forecast of the time in all."""
        return self.steps * self.pace.step + self.others

    @property
    def images(self) -> int:
        """The number of images of each domain that the run shows."""
        return self.steps * self.candidate.batch

    @property
    def is_enough(self) -> bool:
        """Whether the run shows enough images."""
        return self.images >= ENOUGH_IMAGES


def candidates(side: float, aspect: float) -> list[Candidate]:
    """Return the settings to consider, the best one first.

    Args:
        side: the median length of the images' shorter sides in pixels.
        aspect: their width divided by their height; 1 if they differ.
    """
    fitting = [length for length in SIDES if length <= side] or [SIDES[-1]]
    sizes = [_stretch(length, aspect) for length in fitting if length >= SMALLEST or length == fitting[0]]
    return [candidate for size in sizes for candidate in _of_size(size)]


def size_run(
    choices: Sequence[Candidate],
    seconds: float,
    *,
    tests: int,
    time_step: Callable[[Candidate], float],
    measure: Callable[[Candidate, float], Pace],
) -> Sizing:
    """Choose the best setting for a time.

    Args:
        choices: the settings, the best one first.
        seconds: the time in all.
        tests: the number of test images that are scored.
        time_step: measures the seconds of a step.
        measure: measures everything that a run of some seconds does.

    Raises:
        ResourceError: there is not enough memory for even the fastest setting.
    """
    started = time.monotonic()
    fastest = min(choices, key=lambda choice: choice.work / choice.batch)
    measured = {fastest: time_step(fastest)}
    best = fastest
    while time.monotonic() - started < SEARCH:
        best = _choose(choices, seconds, measured)
        if best in measured:
            break
        try:
            measured[best] = time_step(best)
        except ResourceError:
            measured[best] = float("inf")
    best = _choose([choice for choice in choices if choice in measured], seconds, measured)
    pace = measure(best, seconds)
    return _fill(best, pace, seconds, tests)


def _fill(candidate: Candidate, pace: Pace, seconds: float, tests: int) -> Sizing:
    """Return the number of steps that fill a time."""
    save = pace.checkpoint_bytes / DISK
    sheets, checkpoints = (
        max(1, min(most, int(SHARE * seconds / max(each, 1e-6))))
        for most, each in ((MOST_SHEETS, pace.sheet), (MOST_CHECKPOINTS, save))
    )
    drawn = count_sheets(sheets, seconds, Samples().minutes)
    others = drawn * pace.sheet + checkpoints * save + tests * pace.score
    steps = min(_round((seconds - others) / pace.step), MOST_IMAGES // candidate.batch)
    return Sizing(candidate, pace, steps, min(sheets, steps), min(checkpoints, steps), others)


def _round(steps: float) -> int:
    """Return a number of steps, at least one, without digits that nobody needs."""
    return max(1, int(float(f"{steps:.3g}")))


def _choose(choices: Sequence[Candidate], seconds: float, measured: dict[Candidate, float]) -> Candidate:
    """Return the first choice that shows enough images in time or, if none does, the one that shows the most."""
    images = {choice: seconds / _guess(choice, measured) * choice.batch for choice in choices}
    return next(
        (choice for choice in choices if images[choice] >= ENOUGH_IMAGES), max(choices, key=lambda one: images[one])
    )


def _guess(choice: Candidate, measured: dict[Candidate, float]) -> float:
    """Return the seconds of a step: as measured, or in proportion to the measured setting with the nearest work."""
    if choice in measured:
        return measured[choice]
    known = [other for other in measured if measured[other] < float("inf")]
    nearest = min(known, key=lambda other: abs(other.work - choice.work))
    return HOPE * measured[nearest] * choice.work / nearest.work


def _stretch(side: int, aspect: float) -> Size:
    """Return the size whose shorter side is `side`; the longer one is at most twice as long."""
    longer = round(side * min(max(aspect, 1 / aspect), 2) / MULTIPLE) * MULTIPLE
    return (side, longer) if aspect >= 1 else (longer, side)


def _of_size(size: Size) -> list[Candidate]:
    candidates = [
        Candidate(size, 64, 9 if min(size) >= 256 else 6, 64, "as published"),
        Candidate(size, 32, 6, 64, "half the published width, for about a third of the time"),
    ]
    if min(size) < 256:  # networks of four blocks see too little of larger images
        candidates.append(Candidate(size, 24, 4, 32, "small, as in examples/seasons.toml"))
    return candidates
