from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgkit.health.observation import Circumstances, Observation
from cgkit.health.watch import Watch
from cgkit.spec import Spec

WELL = Observation(
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
ILL = replace(WELL, agreement=-0.8)
KNOWN = Circumstances(Spec(), steps=1000, images=(100, 100), augmented=False)


def steps_noted(watch: Watch, looks: list[tuple[int, Observation]]) -> list[tuple[int, str]]:
    return [(note.step, note.rule) for step, seen in looks for note in watch.see([replace(seen, step=step)])]


def test_what_lasts_is_noted_once() -> None:
    looks = [(step, ILL) for step in range(10, 400, 10)]
    assert steps_noted(Watch(KNOWN), looks) == [(100, "colour-inversion")]  # from step 50 on, for 50 steps


def test_a_good_look_between_begins_anew() -> None:
    looks = [(step, WELL if step == 90 else ILL) for step in range(10, 200, 10)]
    assert steps_noted(Watch(KNOWN), looks) == [(150, "colour-inversion")]


def test_a_long_run_takes_longer_to_be_sure() -> None:
    looks = [(step, ILL) for step in range(500, 40_000, 500)]
    long = replace(KNOWN, steps=200_000)
    assert steps_noted(Watch(long), looks) == [(20_000, "colour-inversion")]


def test_two_looks_are_not_enough_however_far_apart() -> None:
    assert steps_noted(Watch(KNOWN), [(500, ILL), (1000, ILL)]) == []


def test_each_direction_is_watched_by_itself() -> None:
    watch = Watch(KNOWN)
    notes = []
    for step in (50, 100, 150, 200):
        other = replace(ILL, direction="b2a") if step > 50 else replace(WELL, direction="b2a")
        notes += watch.see([replace(ILL, step=step), replace(other, step=step)])
    assert [(note.step, note.direction) for note in notes] == [(150, "a2b"), (200, "b2a")]


@given(st.lists(st.booleans(), max_size=30), st.data())
def test_an_interrupted_watch_notes_the_same(ill: list[bool], data: st.DataObject) -> None:
    looks = [(10 * number, ILL if bad else WELL) for number, bad in enumerate(ill, 1)]
    cut = data.draw(st.integers(0, len(looks)))
    first, second = Watch(KNOWN), Watch(KNOWN)
    before = steps_noted(first, looks[:cut])
    second.load(json.loads(json.dumps(first.state())))
    assert before + steps_noted(second, looks[cut:]) == steps_noted(Watch(KNOWN), looks)


@pytest.mark.parametrize("steps", [1, 10_000_000])
def test_a_healthy_training_has_no_notes(steps: int) -> None:
    watch = Watch(replace(KNOWN, steps=steps))
    assert steps_noted(watch, [(step, WELL) for step in range(1, 2_000_000, 100_000)]) == []
