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


@pytest.fixture
def ten(runs: tuple[Path, Path], tmp_path: Path) -> list[Path]:
    """Ten runs with long names and different seeds; the last two were evaluated with another protocol."""
    folders = [Path(shutil.copytree(runs[0], tmp_path / f"a-run-with-a-long-name-{seed}")) for seed in range(10)]
    for seed, folder in enumerate(folders):
        spec = json.loads((folder / "spec.resolved.json").read_text())
        loss = {"name": "bce"} if seed % 2 else spec["adversarial_loss"]
        (folder / "spec.resolved.json").write_text(json.dumps({**spec, "seed": seed, "adversarial_loss": loss}))
        evaluation = json.loads((folder / "evaluation.json").read_text())
        for number in evaluation["numbers"]:
            number["value"] = seed
            number["protocol"]["n"] = 99 if seed > 7 else 4
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
    return folders


def test_ten_runs_are_rows_with_short_labels_and_a_legend(cgkit: Cli, ten: list[Path]) -> None:
    result = cgkit("compare", *ten)
    assert result.code == 0
    assert max(map(len, result.out.splitlines())) <= 80
    rows = [line.split() for line in result.out.splitlines() if line.strip()]
    assert rows[:3] == [["run"], ["A", "a-run-with-a-long-name-0"], ["B", "a-run-with-a-long-name-1"]]
    assert ["adversarial_loss.name", "least-squares:", "A", "C", "E", "G", "I"] in rows
    assert ["bce:", "B", "D", "F", "H", "J"] in rows
    scores = [row for row in rows if row[0] in ("H", "I") and len(row) > 2]
    assert scores == [["H", *["7"] * 6], ["I", *["8"] * 6]]
    assert "not comparable with A: n is 99, not 4" in result.out
    assert result.out.index("not comparable") < result.out.index("\nI  ", result.out.index("score"))


def test_many_scores_are_split_into_tables_that_fit(cgkit: Cli, ten: list[Path]) -> None:
    for folder in ten:
        evaluation = json.loads((folder / "evaluation.json").read_text())
        first = evaluation["numbers"][0]
        evaluation["numbers"] = [{**first, "name": f"metric-{number}"} for number in range(9)]
        (folder / "evaluation.json").write_text(json.dumps(evaluation))
    result = cgkit("compare", *ten)
    assert max(map(len, result.out.splitlines())) <= 80
    assert all(f"metric-{number} a2b" in result.out for number in range(9))
    assert result.out.count("score  metric-") == 4


def test_groups_of_comparable_runs_are_in_the_json(cgkit: Cli, ten: list[Path]) -> None:
    values = cgkit("compare", *ten, "--json").json
    labels = [run["label"] for run in values["runs"]]
    assert values["groups"] == [labels[:8], labels[8:]]
    assert values["baseline"] is None


def test_a_baseline_gets_the_differences(cgkit: Cli, runs: tuple[Path, Path], ten: list[Path]) -> None:
    values = cgkit("compare", *ten, "--baseline", ten[3], "--json").json
    assert values["baseline"] == "a-run-with-a-long-name-3"
    assert values["numbers"][0]["differences"] == [-3, -2, -1, None, 1, 2, 3, 4, None, None]
    rows = [line.split() for line in cgkit("compare", *ten, "--baseline", ten[3]).out.splitlines()]
    assert ["F", "5", "(+2)", "5", "(+2)", "5", "(+2)"] in [row[:7] for row in rows]
    # A baseline that is not among the runs comes first.
    few = cgkit("compare", runs[1], "--baseline", runs[0])
    assert few.out.splitlines()[0].split() == ["spec", "first", "second"]
    assert "(+" in few.out or "(-" in few.out
    assert " to " not in few.out
