from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgkit.files import json_lines


def test_rewinding_drops_later_and_malformed_lines(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    json_lines.rewind(file, 3)
    assert not file.exists()
    for step in (0, 2, 3, 5):
        json_lines.append(file, {"step": step, "text": "größer"})
    with file.open("a") as stream:
        stream.write('not json\n{"text": 1}\n{"step": 1')
    json_lines.rewind(file, 3)
    assert [json.loads(line)["step"] for line in file.read_text(encoding="utf-8").splitlines()] == [0, 2, 3]


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(0, 9), st.binary(max_size=30))
def test_rewinding_keeps_all_lines_up_to_a_step(steps: list[int], last: int, torn: bytes) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "lines.jsonl"
        for step in sorted(steps):
            json_lines.append(file, {"step": step})
        with file.open("ab") as stream:
            stream.write(torn.replace(b"\n", b" "))
        json_lines.rewind(file, last)
        json_lines.rewind(file, last)
        json_lines.append(file, {"step": last})
        assert [line["step"] for line in json_lines.read(file)] == [*(n for n in sorted(steps) if n <= last), last]


def test_a_line_that_json_cannot_express_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_lines.append(tmp_path / "lines.jsonl", {"step": 1, "loss": float("nan")})
    assert (tmp_path / "lines.jsonl").read_text() == ""


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.integers(1, 20))
def test_reading_evenly_keeps_the_last_and_all_lines_of_other_kinds(kinds: list[bool], most: int) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "lines.jsonl"
        for step, regular in enumerate(kinds):
            json_lines.append(file, {"step": step, "loss" if regular else "score": 1.0})
        every, lines = json_lines.read_evenly(file, b'"loss"', most)
        read = [line["step"] for line in lines]
    regular = [step for step, kind in enumerate(kinds) if kind]
    assert [step for step in read if not kinds[step]] == [step for step, kind in enumerate(kinds) if not kind]
    kept = [step for step in read if kinds[step]]
    assert kept == [step for n, step in enumerate(regular, 1) if n % every == 0 or n == len(regular)]
    assert len(kept) <= most + 1
    assert read == sorted(read)
