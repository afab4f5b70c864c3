from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cgkit.runs.start import run
from tests.conftest import TINY, Result

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("compared")
    (folder / "spec.toml").write_text(TINY)
    first = run(folder / "spec.toml", output=folder / "first").folder
    second = run(folder / "spec.toml", overrides=["seed=4", "adversarial_loss.name=bce"], output=folder / "second")
    return first, second.folder


def test_tables_show_the_differences_and_the_scores(cgkit: Cli, runs: tuple[Path, Path]) -> None:
    result = cgkit("compare", *runs)
    assert result.code == 0
    rows = [line.split() for line in result.out.splitlines() if line.strip()]
    assert rows[:3] == [
        ["spec", "first", "second"],
        ["seed", "3", "4"],
        ["adversarial_loss.name", "least-squares", "bce"],
    ]
    assert rows[3] == ["score", "first", "second"]
    assert [row[:2] for row in rows[4:]] == [[name, way] for name in ("psnr", "l1", "ssim") for way in ("a2b", "b2a")]
    assert "not comparable" not in result.out


def test_json_has_every_number_with_its_difference(cgkit: Cli, runs: tuple[Path, Path]) -> None:
    values = cgkit("compare", *runs, "--json").json
    assert values["schema"] == 1
    assert [(run["label"], run["state"], run["step"]) for run in values["runs"]] == [
        *(("first", "finished", 4), ("second", "finished", 4))
    ]
    assert values["spec"]["seed"] == [3, 4]
    psnr = values["numbers"][0]
    first, second = psnr["numbers"]
    assert psnr["differences"] == [None, pytest.approx(second["value"] - first["value"])]
    assert values["same_images"] == ["first", "second"]
    assert values["remarks"] == []


def test_scores_with_different_protocols_are_not_compared(cgkit: Cli, runs: tuple[Path, Path], tmp_path: Path) -> None:
    other = Path(shutil.copytree(runs[1], tmp_path / "other"))
    evaluation = json.loads((other / "evaluation.json").read_text())
    for number in evaluation["numbers"]:
        number["protocol"]["n"] = 99
    (other / "evaluation.json").write_text(json.dumps(evaluation))
    assert cgkit("compare", runs[0], other).out.count("not comparable: n") == 6


def test_a_page_is_written_on_request(cgkit: Cli, runs: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = cgkit("compare", *runs, "--output", page, "--json")
    assert result.code == 0
    assert f"wrote {page}" in result.err
    assert result.json["schema"] == 1
    assert "first and second" in page.read_text()
    page.write_text("mine")
    assert cgkit("compare", *runs, "--output", page).code == 2
    assert page.read_text() == "mine"


@pytest.mark.parametrize(("count", "code"), [(0, 2), (1, 2)])
def test_fewer_than_two_runs_are_rejected(cgkit: Cli, runs: tuple[Path, Path], count: int, code: int) -> None:
    result = cgkit("compare", *runs[:count])
    assert result.code == code
    assert "Traceback" not in result.err


def test_a_folder_that_is_not_a_run_is_rejected(cgkit: Cli, runs: tuple[Path, Path], tmp_path: Path) -> None:
    result = cgkit("compare", runs[0], tmp_path)
    assert result.code == 5
    assert "is not a run folder" in result.err
