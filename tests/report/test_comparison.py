from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cgkit.errors import CheckpointError, UsageError
from cgkit.plugins import Plugins
from cgkit.report.comparison import compare
from cgkit.report.comparison_page import write_comparison
from cgkit.runs.sample_sheet import Sheet, read_sheet
from tests.report.conftest import change


@pytest.fixture
def other(run_folder: Path) -> Path:
    """A second run: another seed and loss, other numbers, the same test images."""
    values = json.loads((run_folder / "spec.resolved.json").read_text())
    change(run_folder / "spec.resolved.json", seed=9, adversarial_loss={"name": "bce", "label_smoothing": 0.1})
    change(run_folder / "spec.resolved.json", augmentation=[*values["augmentation"], {"name": "noise", "strength": 1}])
    return run_folder


def remeasured(folder: Path, **protocol: Any) -> None:
    """Let the numbers of a run be measured in another way."""
    evaluation = json.loads((folder / "evaluation.json").read_text())
    for number in evaluation["numbers"]:
        number["value"] += 1
        number["protocol"] |= protocol
    (folder / "evaluation.json").write_text(json.dumps(evaluation))


def resampled(folder: Path, change_sheet: Callable[[Sheet], Sheet]) -> None:
    """Change the newest sheet of a run."""
    file = max((folder / "samples").iterdir())
    sheet = read_sheet(file)
    assert isinstance(sheet, Sheet)
    change_sheet(sheet).write(file)


def test_only_what_differs_in_the_specs_is_told(finished: Path, other: Path) -> None:
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


def test_numbers_that_were_measured_alike_are_compared(finished: Path, other: Path) -> None:
    remeasured(other)
    comparison = compare([finished, other])
    assert [(one.name, one.direction) for one in comparison.measurements][:2] == [("psnr", "a2b"), ("psnr", "b2a")]
    for one in comparison.measurements:
        assert one.difference(0) is None
        assert one.difference(1) == pytest.approx(1)
        assert one.reason(1) == ""


def test_numbers_of_unlike_protocols_are_not_compared_and_it_is_told_why(finished: Path, other: Path) -> None:
    remeasured(other, n=99, size=[32, 32])
    comparison = compare([finished, other])
    for one in comparison.measurements:
        assert one.unlike == ((), ("n", "size"))
        assert one.difference(1) is None
        assert one.reason(1) == "n is 99, not 4; size is [32, 32], not [16, 16]"


def test_a_number_that_one_run_lacks_is_not_measured_there(finished: Path, other: Path) -> None:
    evaluation = json.loads((other / "evaluation.json").read_text())
    evaluation["numbers"] = [{**evaluation["numbers"][0], "name": "kid"}]
    (other / "evaluation.json").write_text(json.dumps(evaluation))
    told = {(one.name, one.direction): one for one in compare([finished, other]).measurements}
    assert told["psnr", "a2b"].reason(1) == "not measured"
    assert told["kid", "a2b"].numbers[0] is None
    assert told["kid", "a2b"].first is told["kid", "a2b"].numbers[1]


def test_runs_that_were_shown_the_same_test_images_are_found(finished: Path, other: Path) -> None:
    images = compare([finished, other]).images
    assert list(images.sheets) == [0, 1]
    assert (images.steps, images.remarks) == ({0: 4, 1: 4}, ())


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda folder: resampled(folder, lambda sheet: Sheet(sheet.columns, sheet.names, "others")),
            "run: it was shown other test images than first.",
        ),
        (
            lambda folder: Image.new("RGB", (9, 9)).save(folder / "samples" / "step-000004.png"),
            "run: its sheets do not say which test images they show.",
        ),
        (lambda folder: shutil.rmtree(folder / "samples"), "run: There is no samples in this run folder."),
        (lambda folder: (folder / "samples" / "step-000004.png").write_bytes(b""), "is no sheet of test images"),
    ],
    ids=["others", "unknown", "none", "damaged"],
)
def test_where_the_test_images_are_not_the_same_it_is_told(
    finished: Path, other: Path, tmp_path: Path, spoil: Callable[[Path], object], told: str, plugins: Plugins
) -> None:
    spoil(other)
    comparison = compare([finished, other])
    assert comparison.images.sheets == {}
    assert told in comparison.images.remarks[0]
    page = write_comparison(comparison, tmp_path / "page.html", plugins=plugins).read_text()
    assert "No two of the runs show the same test images" in page


def test_a_run_that_lacks_its_spec_and_its_numbers_is_compared_by_the_rest(finished: Path, other: Path) -> None:
    for name in ("spec.resolved.json", "evaluation.json"):
        (other / name).unlink()
    comparison = compare([finished, other])
    assert comparison.differences == {}
    assert len(comparison.remarks) == 2
    assert comparison.measurements[0].reason(1) == "not measured"


def test_names_tell_runs_apart_and_paths_where_names_do_not(finished: Path, other: Path, tmp_path: Path) -> None:
    assert compare([finished, other]).labels == ("first", "run")
    twin = Path(shutil.copytree(other, tmp_path / "more" / "run"))
    assert compare([finished, other, twin]).labels == ("first", str(other), str(twin))


def test_a_page_shows_all_of_it(finished: Path, other: Path, tmp_path: Path, plugins: Plugins) -> None:
    remeasured(other, n=99)
    page = write_comparison(compare([finished, other]), tmp_path / "page.html", plugins=plugins).read_text()
    for told in (
        "<title>first and run: runs of cgkit compared</title>",
        "<code>least-squares</code>",
        "run is not compared: n is 99, not 4",
        "The losses of these runs are not the same quantities",
        "Cycle forward",
        "Psnr a2b",
        "adversarial_loss.name",
    ):
        assert told in page
    # Two directions of two test images: source, truth and the translation of either run.
    assert page.count("<img ") == 16


def test_many_runs_have_a_page_too(finished: Path, tmp_path: Path, plugins: Plugins) -> None:
    runs = [Path(shutil.copytree(finished, tmp_path / f"run-{number}")) for number in range(8)]
    page = write_comparison(compare(runs), tmp_path / "page.html", plugins=plugins).read_text()
    assert "8 runs" in page
    assert "Nowhere." in page


def test_it_takes_two_runs(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two runs"):
        compare([finished])
    with pytest.raises(CheckpointError, match="is not a run folder"):
        compare([finished, tmp_path])
