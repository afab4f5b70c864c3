"""The rule by which `cgkit init` chooses a setting, with invented machines instead of measured ones."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cgkit.errors import ResourceError
from cgkit.runs.cost.pace import Pace
from cgkit.runs.cost.verdict import ENOUGH_IMAGES
from cgkit.scaffolding.sizing import MOST_IMAGES, Candidate, Sizing, candidates, size_run

HOUR = 3600.0


def size(hours: float, speed: float, time_step: Callable[[Candidate], float] | None = None) -> Sizing:
    """Size a run on photos of 300 pixels for a machine that does `speed` multiplications a second."""

    def measure(candidate: Candidate, seconds: float) -> Pace:
        step = candidate.work / speed
        return Pace(step, sheet=2 * step, score=step / 4, checkpoint_bytes=10**8)

    steps = time_step or (lambda candidate: candidate.work / speed)
    return size_run(candidates(300, 1.0), hours * HOUR, tests=64, time_step=steps, measure=measure)


@pytest.mark.parametrize("hours", [0.5, 2.0, 8.0, 24.0])
def test_a_run_takes_as_long_as_asked_for(hours: float) -> None:
    sizing = size(hours, speed=3e11)
    assert sizing.is_enough
    assert sizing.seconds == pytest.approx(hours * HOUR, rel=0.01)


def test_more_time_is_spent_on_steps_then_on_size_then_on_networks() -> None:
    chosen = [size(hours, speed=3e11).candidate for hours in (0.1, 1, 4, 16, 64)]
    works = [candidate.work / candidate.batch for candidate in chosen]
    sides = [candidate.size[0] for candidate in chosen]
    assert works == sorted(works)
    assert sides == sorted(sides)
    assert len(set(sides)) > 2


def test_the_best_setting_that_shows_enough_images_is_chosen() -> None:
    hours, speed = 4.0, 3e11
    sizing = size(hours, speed)
    better = candidates(300, 1.0)[: candidates(300, 1.0).index(sizing.candidate)]
    assert better
    assert all(hours * HOUR / (choice.work / speed) * choice.batch < ENOUGH_IMAGES for choice in better)


def test_without_time_for_enough_steps_the_fastest_setting_is_chosen() -> None:
    sizing = size(0.01, speed=3e11)
    assert not sizing.is_enough
    assert sizing.candidate == min(candidates(300, 1.0), key=lambda choice: choice.work / choice.batch)


def test_a_fast_machine_does_not_train_for_longer_than_the_longest_published_run() -> None:
    sizing = size(1000, speed=1e15)
    assert sizing.images == MOST_IMAGES
    assert sizing.seconds < HOUR


def test_a_setting_that_needs_too_much_memory_is_left_out() -> None:
    def time_step(candidate: Candidate) -> float:
        if candidate.size[0] > 128:
            raise ResourceError("out of memory")
        return candidate.work / 3e11

    assert size(100, speed=3e11, time_step=time_step).candidate.size == (128, 128)


def test_sizes_suit_the_stride_and_the_shape_of_the_images() -> None:
    wide = {candidate.size for candidate in candidates(200, 1.5)}
    assert wide == {(128, 192), (64, 96)}
    assert {candidate.size for candidate in candidates(200, 0.5)} == {(256, 128), (128, 64)}
    assert {candidate.size for candidate in candidates(20, 1.0)} == {(32, 32)}
