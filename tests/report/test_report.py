from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cgkit.images.sheet import Sheet, read_sheet
from cgkit.plugins import Plugins
from cgkit.report.report import write_report
from tests.report.conftest import change


def test_the_page_shows_settings_and_results(finished: Path, plugins: Plugins) -> None:
    page = write_report(finished, plugins=plugins).read_text()
    for text in (
        "<title>tiny: cgkit report</title>",
        "4 of 4",
        ">Finished</span>",
        "Peak signal-to-noise ratio with respect to the ground truth, in dB.",
        "Measured at step 4 on test images",
        "ground truth (pairs are not used in training)",
        "No warnings.",
        "workers = 0",  # from the spec as written
        "betas = [",  # from the resolved spec
        "pip install torch==",
        "cgkit run spec.toml --output runs/tiny-again",
    ):
        assert text in page
    assert len(page) < 200_000


def test_reports_are_deterministic(finished: Path, tmp_path: Path) -> None:
    pages = [write_report(finished, output=tmp_path / f"{number}.html").read_bytes() for number in range(2)]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"state": "running", "step": 0, "steps": 900}, "4 of 900"),
        ({"state": "stopped", "step": 3, "steps": 4}, "3 of 4"),
        ({"state": "stopped"}, "To resume it: cgkit run "),
        ({"state": "diverged", "error": "cycle_forward is nan"}, "cycle_forward is nan"),
        ({"state": "failed", "error": "no memory"}, "no memory"),
        ({"state": "odd"}, "The state of this run is unknown."),
        ({}, "No status.json in this run folder."),
    ],
)
def test_every_state_is_described(run_folder: Path, status: dict[str, object], text: str) -> None:
    (run_folder / "status.json").write_text(json.dumps(status))
    assert text in write_report(run_folder).read_text()


def test_training_time_is_computed_from_the_recorded_speed(run_folder: Path) -> None:
    lines = [{"step": step, "images_per_second": 2.0} for step in (100, 200)]
    (run_folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, lines)))
    # 200 steps with two images per domain.
    assert "<dd>7 minutes</dd>" in write_report(run_folder).read_text()


def test_sheets_without_a_layout_are_shown_whole(run_folder: Path) -> None:
    for file in (run_folder / "samples").iterdir():
        with Image.open(file) as sheet:
            sheet.load()
        sheet.save(file, pnginfo=None)
    page = write_report(run_folder).read_text()
    assert 'data-cell="-0-sheet"' in page
    assert "<h3>a to b</h3>" not in page


def test_names_that_are_not_valid_text_can_be_written(run_folder: Path) -> None:
    odd = "undecodable \udcff \u2028 \x00 \x1b[31m"
    change(run_folder / "environment.json", device=odd)
    file = run_folder / "samples" / "step-000004.png"
    sheet = read_sheet(file)
    assert isinstance(sheet, Sheet)
    Sheet(sheet.columns, {"a": (odd, odd), "b": (odd, odd)}, sheet.images).write(file)
    assert "undecodable ?" in write_report(run_folder).read_text(encoding="utf-8")


def test_a_run_without_ground_truth_can_be_reported(run_folder: Path, plugins: Plugins) -> None:
    for file in (run_folder / "samples").iterdir():
        sheet = read_sheet(file)
        assert isinstance(sheet, Sheet)
        columns = tuple(column for column in sheet.columns if column.role != "truth")
        Sheet(columns, sheet.names, sheet.images).write(file)
    shutil.rmtree(run_folder / "model")
    page = write_report(run_folder, plugins=plugins).read_text()
    assert 'data-title="ground truth"' not in page
    assert "ground truth (pairs are not used in training)" not in page


def test_a_single_file_is_enough_for_a_report(finished: Path, tmp_path: Path) -> None:
    for number, name in enumerate(("status.json", "spec.toml", "spec.resolved.json", "metrics.jsonl")):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(finished / name, folder)
        page = write_report(folder).read_text()
        assert page.count(" in this run folder.") >= 5
        assert "No samples in this run folder." in page


def test_the_previous_page_stays_if_rendering_fails(
    run_folder: Path, monkeypatch: pytest.MonkeyPatch, make_error: Callable[[], None]
) -> None:
    before = write_report(run_folder).read_text()
    make_error()
    with pytest.raises(RuntimeError):
        write_report(run_folder)
    assert (run_folder / "report.html").read_text() == before


@pytest.fixture
def make_error(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes all later reports fail."""

    def fail() -> None:
        def raise_error(record: object, plugins: object) -> str:
            raise RuntimeError("broken")

        monkeypatch.setattr("cgkit.report.report.render_report", raise_error)

    return fail


def test_a_page_that_translates_is_linked(run_folder: Path) -> None:
    assert "page.html" not in write_report(run_folder).read_text()
    (run_folder / "page.html").write_text("<!doctype html>")
    assert '<a href="page.html">page.html</a>' in write_report(run_folder).read_text()


def test_of_very_many_records_some_are_shown_and_the_page_says_so(run_folder: Path) -> None:
    history = run_folder / "metrics.jsonl"
    lines = [json.loads(line) for line in history.read_text().splitlines()]
    regular = next(line for line in lines if "learning_rate" in line)
    with history.open("w") as stream:
        stream.writelines(json.dumps({**regular, "step": step}) + "\n" for step in range(1, 60_001))
        stream.writelines(json.dumps(line) + "\n" for line in lines if "learning_rate" not in line)
    page = write_report(run_folder).read_text()
    assert "Of the losses, one of 3 records is shown, because there are so many." in page
    assert "PSNR" in page
