from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cgkit.plugins import Plugins
from cgkit.report.report import write_report
from cgkit.runs.sample_sheet import Sheet, read_sheet
from tests.report.conftest import change


def test_a_page_tells_what_a_run_was_and_what_came_of_it(finished: Path, plugins: Plugins) -> None:
    page = write_report(finished, plugins=plugins).read_text()
    for told in (
        "<title>tiny: a run of cgkit</title>",
        "4 of 4",
        "Training went to its end.",
        "Peak signal-to-noise ratio to the ground truth, in dB.",
        "Measured at step 4 on test images",
        "the truth that training never sees",
        "Nothing has been noted.",
        "workers = 0",  # of the spec as it was written
        "betas = [",  # of the resolved one
        "pip install torch==",
        "cgkit run spec.toml --output runs/tiny-again",
    ):
        assert told in page
    assert len(page) < 200_000


def test_the_same_run_has_the_same_page(finished: Path, tmp_path: Path) -> None:
    pages = [write_report(finished, output=tmp_path / f"{number}.html").read_bytes() for number in range(2)]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"state": "running", "step": 0, "steps": 900}, "4 of 900"),
        ({"state": "stopped", "step": 3, "steps": 4}, "3 of 4"),
        ({"state": "stopped"}, "the same command continues it"),
        ({"state": "diverged", "error": "cycle_forward is nan"}, "cycle_forward is nan"),
        ({"state": "failed", "error": "no memory"}, "no memory"),
        ({"state": "odd"}, "How it stands is not known."),
        ({}, "There is no status.json"),
    ],
)
def test_every_end_of_a_run_is_told(run_folder: Path, status: dict[str, object], told: str) -> None:
    (run_folder / "status.json").write_text(json.dumps(status))
    assert told in write_report(run_folder).read_text()


def test_the_time_of_training_is_that_of_the_recorded_steps(run_folder: Path) -> None:
    lines = [{"step": step, "images_per_second": 2.0} for step in (100, 200)]
    (run_folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    # 200 steps of two images of each domain.
    assert "<dd>7 min</dd>" in write_report(run_folder).read_text()


def test_an_old_run_without_layouts_has_its_sheets_shown_whole(run_folder: Path) -> None:
    for file in (run_folder / "samples").iterdir():
        with Image.open(file) as sheet:
            sheet.load()
        sheet.save(file, pnginfo=None)
    page = write_report(run_folder).read_text()
    assert 'data-cell="-0-sheet"' in page
    assert "a to b, and back to a" not in page


def test_a_name_that_is_no_text_can_be_written(run_folder: Path) -> None:
    odd = "undecodable \udcff \u2028 \x00 \x1b[31m"
    change(run_folder / "environment.json", device=odd)
    file = run_folder / "samples" / "step-000004.png"
    sheet = read_sheet(file)
    assert isinstance(sheet, Sheet)
    Sheet(sheet.columns, {"a": (odd, odd), "b": (odd, odd)}, sheet.images).write(file)
    assert "undecodable ?" in write_report(run_folder).read_text(encoding="utf-8")


def test_a_run_of_images_without_a_truth_can_be_reported(run_folder: Path, plugins: Plugins) -> None:
    for file in (run_folder / "samples").iterdir():
        sheet = read_sheet(file)
        assert isinstance(sheet, Sheet)
        columns = tuple(column for column in sheet.columns if column.role != "truth")
        Sheet(columns, sheet.names, sheet.images).write(file)
    shutil.rmtree(run_folder / "model")
    page = write_report(run_folder, plugins=plugins).read_text()
    assert "true b" not in page
    assert "the truth that training never sees" not in page


def test_everything_may_be_missing_but_one_thing(finished: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("status.json", "spec.toml", "spec.resolved.json", "metrics.jsonl")):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(finished / name, folder)
        page = write_report(folder).read_text()
        assert page.count("There is no ") >= 5
        assert "There is no samples in this run folder." in page


def test_what_was_there_stays_where_a_page_cannot_be_made(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, make_error: Callable[[], None]
) -> None:
    before = write_report(run_folder).read_text()
    make_error()
    with pytest.raises(RuntimeError):
        write_report(run_folder)
    assert (run_folder / "report.html").read_text() == before


@pytest.fixture
def make_error(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Lets every further page fail."""

    def fail() -> None:
        def raise_error(record: object, plugins: object) -> str:
            raise RuntimeError("broken")

        monkeypatch.setattr("cgkit.report.report.report_text", raise_error)

    return fail
