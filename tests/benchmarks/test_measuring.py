"""Timings with quartiles, measurements in separate processes, and reports as a table and as JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch


def test_a_timing_has_the_median_and_the_quartiles() -> None:
    from measuring import timing_of

    timing = timing_of([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (timing.low, timing.median, timing.high, timing.repetitions) == (2.0, 3.0, 4.0, 5)
    assert str(timing) == "3 s (2 s to 4 s)"
    assert timing_of([0.0123]).low == 0.0123


def test_an_action_is_repeated_as_often_as_requested_after_warming_up() -> None:
    from measuring import timed

    calls: list[int] = []
    assert timed(lambda: calls.append(1), warm_ups=2, seconds=0, at_least=4).repetitions == 4
    assert len(calls) == 6


def test_a_function_runs_in_another_process_with_its_own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from measuring import in_own_process

    monkeypatch.delenv("COLOUR", raising=False)
    assert in_own_process(os.getpid) != os.getpid()
    assert in_own_process(os.getenv, "COLOUR", COLOUR="green") == "green"
    assert "COLOUR" not in os.environ


def sleeper(case: tuple[float, int]) -> tuple[Callable[[], object], tuple[int, float]]:
    """Return an action that sleeps for `case[0]` seconds, while `case[1]` MiB are allocated."""
    held = torch.ones(case[1] * 2**18)
    return lambda: time.sleep(case[0] + 0 * float(held[0])), (os.getpid(), case[0])


def test_cases_take_turns_in_separate_processes() -> None:
    from measuring import in_turns

    short, long = in_turns(sleeper, [(0.01, 1), (0.05, 200)], seconds=0.04, at_least=3)
    assert short.timing.repetitions == long.timing.repetitions >= 3
    assert 0.01 <= short.timing.median < 0.05 <= long.timing.median
    assert len({os.getpid(), short.about[0], long.about[0]}) == 3
    assert (short.about[1], long.about[1]) == (0.01, 0.05)
    assert long.memory - short.memory > 150 * 2**20


def test_a_report_is_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from measuring import report, timing_of

    rows = [{"what": "a thing", "time": timing_of([0.5]), "faster": 1.23456, "none": None}]
    report("Things", rows, tmp_path / "deeper" / "things.json", note="so")
    printed = capsys.readouterr().out
    assert "a thing" in printed
    assert "1.23" in printed
    document = json.loads((tmp_path / "deeper" / "things.json").read_text())
    assert document["rows"][0]["faster"] == 1.23456
    assert document["rows"][0]["time"]["median"] == 0.5
    assert document["note"] == "so"
    assert document["machine"]["torch"]


def test_the_rate_of_a_matrix_product_is_plausible() -> None:
    from measuring import matrix_product_rate

    assert 1e8 < matrix_product_rate("fp32") < 1e15
