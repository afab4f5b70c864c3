"""Metrics as JSON lines."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest

from cgkit.components.trackers.jsonl import JsonLines

resource = pytest.importorskip("resource")


def lines(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_record_is_one_line_and_in_the_file_immediately(tmp_path):
    tracker = JsonLines(tmp_path)
    tracker.record(10, {"cycle_forward": 1.25, "größe": 2})
    assert lines(tmp_path) == [{"step": 10, "cycle_forward": 1.25, "größe": 2.0}]
    tracker.record(20, {"cycle_forward": 1.0})
    assert lines(tmp_path)[1:] == [{"step": 20, "cycle_forward": 1.0}]
    tracker.close()


def test_nan_and_infinity_become_null(tmp_path):
    JsonLines(tmp_path).record(1, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 0.1})
    assert lines(tmp_path) == [{"step": 1, "a": None, "b": None, "c": None, "d": 0.1}]


def test_numbers_are_read_back_bit_identical(tmp_path):
    values = {"third": 1 / 3, "least": 5e-324, "greatest": sys.float_info.max}
    JsonLines(tmp_path).record(1, values)
    assert lines(tmp_path) == [{"step": 1, **values}]


def test_a_second_tracker_of_the_same_folder_appends(tmp_path):
    for step in (1, 2):
        tracker = JsonLines(tmp_path)
        tracker.record(step, {})
        tracker.close()
    assert lines(tmp_path) == [{"step": 1}, {"step": 2}]


def test_rewinding_removes_later_steps_and_keeps_the_others_byte_for_byte(tmp_path):
    tracker = JsonLines(tmp_path)
    for step in (10, 20, 20, 30):
        tracker.record(step, {"loss": step / 3})
    before = (tmp_path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
    tracker.rewind(20)
    assert (tmp_path / "metrics.jsonl").read_bytes() == b"".join(before[:3])
    tracker.record(30, {"loss": 0.0})
    assert [line["step"] for line in lines(tmp_path)] == [10, 20, 20, 30]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.mark.parametrize(
    "incomplete", ['{"step": 12, "lo', '{"step": 12}', "{", "gr\u00f6", '{"step": null}\n', "[]\n", "\n"]
)
def test_rewinding_removes_an_incomplete_line(tmp_path, incomplete):
    tracker = JsonLines(tmp_path)
    tracker.record(10, {"loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(incomplete.encode()[: -1 if incomplete.endswith("\u00f6") else None])
    tracker.rewind(20)
    tracker.record(20, {"loss": 2.0})
    assert lines(tmp_path) == [{"step": 10, "loss": 1.0}, {"step": 20, "loss": 2.0}]


def test_rewinding_without_records_does_nothing(tmp_path):
    JsonLines(tmp_path).rewind(0)
    assert list(tmp_path.iterdir()) == []


def test_on_a_full_disk_a_record_fails_and_changes_nothing_but_rewinding_works(tmp_path):
    tracker = JsonLines(tmp_path)
    for step in (10, 20):
        tracker.record(step, {"loss": 1.0})
    before = (tmp_path / "metrics.jsonl").read_bytes()
    script = "import sys, pathlib; from cgkit.components.trackers.jsonl import JsonLines; import resource, signal;"
    script += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10));"

    def call(method):
        program = f"{script} JsonLines(pathlib.Path(sys.argv[1])).{method}"
        return subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True).stderr

    assert call("record(30, {})").splitlines()[-1].startswith("OSError")
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
    assert call("rewind(10)") == ""
    assert (tmp_path / "metrics.jsonl").read_bytes() == before.splitlines(keepends=True)[0]
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]
