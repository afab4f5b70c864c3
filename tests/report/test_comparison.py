from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cgkit.errors import CheckpointError, UsageError
from cgkit.images.sheet import Sheet, read_sheet
from cgkit.plugins import Plugins
from cgkit.report.comparison import compare
from cgkit.report.comparison_page import write_comparison
from tests.report.conftest import change


@pytest.fixture
def other(run_folder: Path) -> Path:
    """A second run: another seed and loss, other numbers, the same test images."""
    values = json.loads((run_folder / "spec.resolved.json").read_text())
    change(run_folder / "spec.resolved.json", seed=9, adversarial_loss={"name": "bce", "label_smoothing": 0.1})
    change(run_folder / "spec.resolved.json", augmentation=[*values["augmentation"], {"name": "noise", "strength": 1}])
    return run_folder


def change_scores(folder: Path, **protocol: Any) -> None:
    """Increase all values and change their protocol."""
    evaluation = json.loads((folder / "evaluation.json").read_text())
    for number in evaluation["numbers"]:
        number["value"] += 1
        number["protocol"] |= protocol
    (folder / "evaluation.json").write_text(json.dumps(evaluation))


def change_newest_sheet(folder: Path, change_sheet: Callable[[Sheet], Sheet]) -> None:
    """Rewrite the newest sample sheet of a run."""
    file = max((folder / "samples").iterdir())
    sheet = read_sheet(file)
    assert isinstance(sheet, Sheet)
    change_sheet(sheet).write(file)


def test_only_spec_differences_are_listed(finished: Path, other: Path) -> None:
    comparison = compare([finished, other])
    number = len(json.loads((finished / "spec.resolved.json").read_text())["augmentation"])
    assert comparison.differences == {
        "seed": (3, 9),
        "adversarial_loss.name": ("least-squares", "bce"),
        "adversarial_loss.label_smoothing": (None, 0.1),
        f"augmentation.{number}.name": (None, "noise"),
        f"augmentation.{number}.strength": (None, 1),
    }
    assert compare([finished, finished]).differences == {}


def test_numbers_with_equal_protocols_are_compared(finished: Path, other: Path) -> None:
    change_scores(other)
    comparison = compare([finished, other])
    keys = [(measurement.name, measurement.direction) for measurement in comparison.measurements]
    assert keys[:2] == [("psnr", "a2b"), ("psnr", "b2a")]
    for measurement in comparison.measurements:
        assert measurement.difference(0) is None
        assert measurement.difference(1) == pytest.approx(1)
        assert measurement.reason(1) == ""


def test_numbers_with_different_protocols_are_not_compared_and_have_a_reason(finished: Path, other: Path) -> None:
    change_scores(other, n=99, size=[32, 32])
    comparison = compare([finished, other])
    for measurement in comparison.measurements:
        assert measurement.unlike == ((), ("n", "size"))
        assert measurement.difference(1) is None
        assert measurement.reason(1) == "n is 99, not 4; size is [32, 32], not [16, 16]"


def test_a_number_missing_in_one_run_is_not_measured(finished: Path, other: Path) -> None:
    evaluation = json.loads((other / "evaluation.json").read_text())
    evaluation["numbers"] = [{**evaluation["numbers"][0], "name": "kid"}]
    (other / "evaluation.json").write_text(json.dumps(evaluation))
    by_key = {(score.name, score.direction): score for score in compare([finished, other]).measurements}
    assert by_key["psnr", "a2b"].reason(1) == "not measured"
    assert by_key["kid", "a2b"].numbers[0] is None
    assert by_key["kid", "a2b"].first is by_key["kid", "a2b"].numbers[1]


def test_runs_with_the_same_test_images_share_them(finished: Path, other: Path) -> None:
    images = compare([finished, other]).images
    assert list(images.sheets) == [0, 1]
    assert (images.steps, images.remarks) == ({0: 4, 1: 4}, ())


@pytest.mark.parametrize(
    ("spoil", "remark"),
    [
        (
            lambda folder: change_newest_sheet(folder, lambda sheet: Sheet(sheet.columns, sheet.names, "others")),
            "run: its test images differ from those of first.",
        ),
        (
            lambda folder: Image.new("RGB", (9, 9)).save(folder / "samples" / "step-000004.png"),
            "run: its sample sheets do not record which test images they show.",
        ),
        (lambda folder: shutil.rmtree(folder / "samples"), "run: No samples in this run folder."),
        (lambda folder: (folder / "samples" / "step-000004.png").write_bytes(b""), "is not a sample sheet"),
    ],
    ids=["others", "unknown", "none", "damaged"],
)
def test_runs_with_different_or_unknown_test_images_get_a_remark(
    finished: Path, other: Path, tmp_path: Path, spoil: Callable[[Path], object], remark: str, plugins: Plugins
) -> None:
    spoil(other)
    comparison = compare([finished, other])
    assert comparison.images.sheets == {}
    assert remark in comparison.images.remarks[0]
    page = write_comparison(comparison, tmp_path / "page.html", plugins=plugins).read_text()
    assert "No two runs are known to share their test images." in page


def test_a_run_without_spec_and_scores_is_compared_by_the_rest(finished: Path, other: Path) -> None:
    for name in ("spec.resolved.json", "evaluation.json"):
        (other / name).unlink()
    comparison = compare([finished, other])
    assert comparison.differences == {}
    assert len(comparison.remarks) == 2
    assert comparison.measurements[0].reason(1) == "not measured"


def test_labels_are_folder_names_or_paths_if_names_repeat(finished: Path, other: Path, tmp_path: Path) -> None:
    assert compare([finished, other]).labels == ("first", "run")
    twin = Path(shutil.copytree(other, tmp_path / "more" / "run"))
    assert compare([finished, other, twin]).labels == ("first", str(other), str(twin))


def test_the_page_shows_the_whole_comparison(finished: Path, other: Path, tmp_path: Path, plugins: Plugins) -> None:
    change_scores(other, n=99)
    page = write_comparison(compare([finished, other]), tmp_path / "page.html", plugins=plugins).read_text()
    for text in (
        "<title>first and run: cgkit comparison</title>",
        "<code>least-squares</code>",
        "run is not compared: n is 99, not 4",
        "The specs define different losses, so their values are not comparable.",
        "Cycle forward",
        "PSNR a2b",
        "adversarial_loss.name",
    ):
        assert text in page
    # Two directions of two test images each: source, ground truth, and the translations of both runs.
    assert page.count("<img ") == 16


def test_many_runs_can_be_compared(finished: Path, tmp_path: Path, plugins: Plugins) -> None:
    runs = [Path(shutil.copytree(finished, tmp_path / f"run-{number}")) for number in range(8)]
    page = write_comparison(compare(runs), tmp_path / "page.html", plugins=plugins).read_text()
    assert "8 runs" in page
    assert "No differences." in page


def test_a_comparison_needs_two_run_folders(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two runs"):
        compare([finished])
    with pytest.raises(CheckpointError, match="is not a run folder"):
        compare([finished, tmp_path])
