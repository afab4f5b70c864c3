from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cgkit.engine.launch import run
from tests.conftest import TINY, Result

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", output=folder / "run").folder


def test_the_end_of_training_leaves_the_numbers_that_evaluate_finds(cgkit: Cli, trained: Path) -> None:
    left = json.loads((trained / "evaluation.json").read_text())
    assert (left["format"], left["step"], left["weights"]) == (1, 4, "trained")
    found = cgkit("evaluate", trained, "--json").json
    assert found.pop("schema") == 1
    assert found == left == json.loads((trained / "evaluation.json").read_text())
    for number in found["numbers"]:
        low, high = number["interval"]
        assert low < number["value"] < high
        assert number["protocol"]["n"] == 4
        assert number["protocol"]["size"] == [16, 16]


def test_a_table_shows_values_with_interval_and_bounds(cgkit: Cli, trained: Path) -> None:
    result = cgkit("evaluate", trained, "--metrics", "psnr, l1")
    assert result.code == 0
    assert "step 4, weights as trained, 4 test images, 16x16, seed 3" in result.out
    assert "95 % interval" in result.out
    rows = [line.split() for line in result.out.splitlines()[2:]]
    assert [(row[0], row[1], row[-1]) for row in rows] == [
        ("a2b", "psnr", "higher"),
        ("b2a", "psnr", "higher"),
        ("a2b", "l1", "lower"),
        ("b2a", "l1", "lower"),
    ]


def test_fewer_images_are_another_protocol(cgkit: Cli, trained: Path) -> None:
    numbers = cgkit("evaluate", trained, "--count", 3, "--metrics", "l1", "--json").json["numbers"]
    assert [one["protocol"]["n"] for one in numbers] == [3, 3]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--metrics", "psnrr"], 2, 'no metric is called "psnrr"; did you mean "psnr"?'),
        (["--metrics", ""], 2, "metric"),
        (["--count", "0"], 2, "--count"),
        (["--best"], 5, "has no best model"),
        (["--device", "tpu"], 2, "tpu"),
    ],
)
def test_what_cannot_be_done_is_told(cgkit: Cli, trained: Path, arguments: list[str], code: int, told: str) -> None:
    before = (trained / "evaluation.json").read_bytes()
    result = cgkit("evaluate", trained, *arguments)
    assert result.code == code
    assert told in result.err
    assert "Traceback" not in result.err
    assert (trained / "evaluation.json").read_bytes() == before


def test_a_folder_that_is_no_run_is_told(cgkit: Cli, tmp_path: Path) -> None:
    assert cgkit("evaluate", tmp_path).code == 5
    assert cgkit("evaluate", tmp_path / "nowhere").code == 5
