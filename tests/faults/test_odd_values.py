"""Files of a run that hold odd JSON values are named, or make no difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import Result
from tests.faults.faults import COMMANDS, copy, time_limit

FILES = ("changes.jsonl", "environment.json", "evaluation.json", "health.jsonl", "metrics.jsonl", "spec.resolved.json")
FILES = (*FILES, "status.json", "launch.json")
pytestmark = pytest.mark.slow

ODD = (None, True, -1, 0, 10**400, 1e308, float("nan"), "", "\ud800\n\x1b[31m", [], [[]], {}, {"a": None}, "2026-01-01")

values = st.recursive(
    st.sampled_from(ODD[:9]), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The places of all values inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*place, key)
        yield from places(inner, (*place, key))


def put(value: Any, place: tuple[Any, ...], new: Any) -> None:
    """Replace a value inside a JSON value."""
    for key in place[:-1]:
        value = value[key]
    value[place[-1]] = new


def answers(cgkit: Callable[..., Result], run: Path, intact: Path, *commands: str) -> None:
    for command in commands:
        with time_limit():
            result = cgkit("--no-plugins", *COMMANDS[command](run, intact))
        assert result.code in (0, 2, 3, 4, 5, 6, 7, 75), (command, result)
        assert "Traceback" not in result.err


@pytest.mark.parametrize("name", FILES)
def test_no_value_in_the_place_of_another_is_a_surprise(
    cgkit: Callable[..., Result], intact: Path, tmp_path: Path, name: str
) -> None:
    run = copy(intact / "run", tmp_path / "runs" / "run")
    lines = (run / name).read_text().splitlines() if name.endswith("l") else [(run / name).read_text()]
    found = list(places(json.loads(lines[-1])))
    for number, place in enumerate(found[:: max(1, len(found) // 40)]):
        for odd in (ODD[number % len(ODD)], ODD[(5 * number + 3) % len(ODD)]):
            value = json.loads(lines[-1])
            put(value, place, odd)
            (run / name).write_text("\n".join([*lines[:-1], json.dumps(value)]) + "\n")
            answers(cgkit, run, intact, "runs", "watch", "compare", "report")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=values, name=st.sampled_from(FILES))
def test_no_file_with_another_value_is_a_surprise(
    cgkit: Callable[..., Result], intact: Path, tmp_path: Path, value: Any, name: str
) -> None:
    run = tmp_path / "runs" / "run"
    if not run.exists():
        copy(intact / "run", run)
    before = (run / name).read_text()
    (run / name).write_text(json.dumps(value))
    answers(cgkit, run, intact, "runs", "watch", "compare", "report")
    (run / name).write_text(before)


@pytest.mark.parametrize("name", FILES)
def test_no_flipped_bit_is_a_surprise(cgkit: Callable[..., Result], intact: Path, tmp_path: Path, name: str) -> None:
    run = copy(intact / "run", tmp_path / "runs" / "run")
    content = (run / name).read_bytes()
    for number in range(24):
        flipped = bytearray(content)
        flipped[(number * len(content)) // 24] ^= 1 << number % 8
        (run / name).write_bytes(flipped)
        answers(cgkit, run, intact, "runs", "watch", "compare", "report")
