"""Medians with their spread, processes of their own, and a table that is JSON as well."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch


def test_a_timing_is_the_median_and_the_quartiles() -> None:
    from measuring import timing_of

    timing = timing_of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (timing.low, timing.median, timing.high, timing.repetitions) == (2.0, 3.0, 4.0, 5)
    assert str(timing) == "3 s (2 s to 4 s)"
    assert timing_of([0.0123]).low == 0.0123


def test_an_action_is_repeated_as_often_as_was_asked_for_after_warming_up() -> None:
    from measuring import timed

    calls: list[int] = []
    assert timed(lambda: calls.append(1), warm_ups=2, seconds=0, at_least=4).repetitions == 4
    assert len(calls) == 6


def test_a_process_of_its_own_has_its_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from measuring import in_own_process

    monkeypatch.delenv("COLOUR", raising=False)
    assert in_own_process(os.getpid) != os.getpid()
    assert in_own_process(os.getenv, "COLOUR", COLOUR="green") == "green"
    assert "COLOUR" not in os.environ


def sleeper(case: tuple[float, int]) -> tuple[Callable[[], object], tuple[int, float]]:
    """A case that sleeps, and holds so many megabytes."""
    held = torch.ones(case[1] * 2**18)
    return lambda: time.sleep(case[0] + 0 * float(held[0])), (os.getpid(), case[0])


def test_cases_take_turns_in_processes_of_their_own() -> None:
    from measuring import in_turns

    short, long = in_turns(sleeper, [(0.01, 1), (0.05, 200)], seconds=0.04, at_least=3)
    assert short.timing.repetitions == long.timing.repetitions >= 3
    assert 0.01 <= short.timing.median < 0.05 <= long.timing.median
    assert len({os.getpid(), short.about[0], long.about[0]}) == 3
    assert (short.about[1], long.about[1]) == (0.01, 0.05)
    assert long.memory - short.memory > 150 * 2**20


def test_a_report_is_a_table_and_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from measuring import report, timing_of

    rows = [{"what": "a thing", "time": timing_of([0.5]), "faster": 1.23456, "none": None}]
    report("Things", rows, tmp_path / "deeper" / "things.json", note="so")
    shown = capsys.readouterr().out
    assert "a thing" in shown
    assert "1.23" in shown
    found = json.loads((tmp_path / "deeper" / "things.json").read_text())
    assert found["rows"][0]["faster"] == 1.23456
    assert found["rows"][0]["time"]["median"] == 0.5
    assert found["note"] == "so"
    assert found["machine"]["torch"]


def test_the_rate_of_a_matrix_product_is_plausible() -> None:
    from measuring import matrix_product_rate

    assert 1e8 < matrix_product_rate("fp32") < 1e15
