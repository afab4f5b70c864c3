from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgkit.health.observation import Circumstances, Observation
from cgkit.health.watch import Watch
from cgkit.spec import Spec

HEALTHY = Observation(
    step=0,
    direction="a2b",
    agreement=0.7,
    true_agreement=None,
    diversity=0.9,
    change=0.8,
    separation=0.8,
    remembered=0.6,
    overfitting=0.1,
)
INVERTED = replace(HEALTHY, agreement=-0.8)
RUN = Circumstances(Spec(), steps=1000, images=(100, 100), augmented=False)


def steps_noted(watch: Watch, observed: list[tuple[int, Observation]]) -> list[tuple[int, str]]:
    notes = [note for step, observation in observed for note in watch.see([replace(observation, step=step)])]
    return [(note.step, note.rule) for note in notes]


def test_a_persistent_problem_is_noted_once() -> None:
    observed = [(step, INVERTED) for step in range(10, 400, 10)]
    assert steps_noted(Watch(RUN), observed) == [(100, "colour-inversion")]  # from step 50 on, for 50 steps


def test_a_healthy_observation_resets_the_count() -> None:
    observed = [(step, HEALTHY if step == 90 else INVERTED) for step in range(10, 200, 10)]
    assert steps_noted(Watch(RUN), observed) == [(150, "colour-inversion")]


def test_problems_must_persist_longer_in_long_runs() -> None:
    observed = [(step, INVERTED) for step in range(500, 40_000, 500)]
    long = replace(RUN, steps=200_000)
    assert steps_noted(Watch(long), observed) == [(20_000, "colour-inversion")]


def test_two_observations_are_never_enough() -> None:
    assert steps_noted(Watch(RUN), [(500, INVERTED), (1000, INVERTED)]) == []


def test_directions_are_watched_separately() -> None:
    watch = Watch(RUN)
    notes = []
    for step in (50, 100, 150, 200):
        other = replace(INVERTED, direction="b2a") if step > 50 else replace(HEALTHY, direction="b2a")
        notes += watch.see([replace(INVERTED, step=step), replace(other, step=step)])
    assert [(note.step, note.direction) for note in notes] == [(150, "a2b"), (200, "b2a")]


@given(st.lists(st.booleans(), max_size=30), st.data())
def test_a_restored_watch_notes_the_same(problems: list[bool], data: st.DataObject) -> None:
    observed = [(10 * number, INVERTED if problem else HEALTHY) for number, problem in enumerate(problems, 1)]
    cut = data.draw(st.integers(0, len(observed)))
    first, second = Watch(RUN), Watch(RUN)
    before = steps_noted(first, observed[:cut])
    second.load(json.loads(json.dumps(first.state())))
    assert before + steps_noted(second, observed[cut:]) == steps_noted(Watch(RUN), observed)


@pytest.mark.parametrize("steps", [1, 10_000_000])
def test_a_healthy_run_has_no_notes(steps: int) -> None:
    watch = Watch(replace(RUN, steps=steps))
    assert steps_noted(watch, [(step, HEALTHY) for step in range(1, 2_000_000, 100_000)]) == []
