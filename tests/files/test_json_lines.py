from __future__ import annotations

import json
from pathlib import Path

import pytest

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


def test_a_line_that_json_cannot_express_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_lines.append(tmp_path / "lines.jsonl", {"step": 1, "loss": float("nan")})
    assert (tmp_path / "lines.jsonl").read_text() == ""
