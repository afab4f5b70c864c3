from __future__ import annotations

import json
from pathlib import Path

import pytest

from cgkit.errors import CheckpointError
from cgkit.evaluation.numbers import Number
from cgkit.evaluation.record import Evaluation, read_evaluation, write_evaluation

EVALUATION = Evaluation(400, "ema", (Number("l1", "b2a", 0.1, (0.05, 0.2), None, 0.3, "lower", {"n": 4}),))


def test_a_written_evaluation_is_read_back(tmp_path: Path) -> None:
    assert read_evaluation(tmp_path) is None
    write_evaluation(tmp_path, EVALUATION)
    assert read_evaluation(tmp_path) == EVALUATION
    assert [path.name for path in tmp_path.iterdir()] == ["evaluation.json"]


def test_files_of_format_1_can_be_read(tmp_path: Path) -> None:
    number = {**EVALUATION.numbers[0].to_json()}
    number["floor"], number["ceiling"] = number.pop("real"), number.pop("untranslated")
    values = {"format": 1, "step": 400, "weights": "ema", "numbers": [number]}
    (tmp_path / "evaluation.json").write_text(json.dumps(values))
    assert read_evaluation(tmp_path) == EVALUATION


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is damaged"),
        ("[]", "is damaged"),
        ('{"format": 1, "step": 3}', "is damaged"),
        ('{"format": 1, "step": 3, "weights": "ema", "numbers": [{}]}', "is damaged"),
        ('{"format": 3}', "has format 3; this version of cgkit reads formats up to 2"),
    ],
)
def test_a_damaged_file_raises(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_evaluation(tmp_path)
