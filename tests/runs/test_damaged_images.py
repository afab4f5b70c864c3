"""Damaged images: found by a check, reported by a run, and skipped if the spec says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cgkit.checkpoints import list_checkpoints
from cgkit.health.notes import read_notes
from cgkit.runs.continuing.changes import read_changes
from tests.cli.test_run import assert_one_error, folder_spec, text_called_png, truncated_jpeg
from tests.conftest import Result

Run = Callable[..., Result]
SKIP = ("--set", "data.skip_damaged=true")


@pytest.fixture
def damaged(tiny_spec: Path, image_folder: Callable[..., Path]) -> Path:
    """A spec with four whole training images of domain a, one that is cut off, and one that is no image."""
    a, b = image_folder("a", 4), image_folder("b", 5)
    truncated_jpeg(a / "cut.jpg")
    text_called_png(a / "text.png")
    tests = image_folder("test-a", 3), image_folder("test-b", 3)
    truncated_jpeg(tests[0] / "first.jpg")
    paths = {"test_a": f'"{tests[0]}"', "test_b": f'"{tests[1]}"'}
    return folder_spec(tiny_spec, a, b, **paths)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(list_checkpoints(run / "checkpoints")[-1] / "model.safetensors")


def test_a_check_decodes_all_images_and_lists_those_that_it_cannot(cgkit: Run, damaged: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = cgkit("check", damaged, "--decode")
    errors = [line for line in result.err.splitlines() if line.startswith("error:")]
    assert result.code == 3
    assert [name for name in ("cut.jpg", "text.png", "first.jpg") if not any(name in line for line in errors)] == []
    assert "3 of the images cannot be used" in errors[-1]
    assert "decoded 18 of 18 images" in result.err
    assert sorted(tmp_path.rglob("*")) == before
    for name in ("a/cut.jpg", "a/text.png", "test-a/first.jpg"):
        (tmp_path / name).unlink()
    assert cgkit("check", damaged, "--decode").code == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_images_are_skipped_and_listed(cgkit: Run, damaged: Path, tmp_path: Path, workers: int) -> None:
    setting = ("--set", f"data.workers={workers}", "--set", "train.steps=8")
    result = cgkit("run", damaged, "--output", tmp_path / "run", *SKIP, *setting)
    assert result.code == 0, result.err
    start, end = [line for line in result.err.splitlines() if line.startswith("warning:") and "damaged image" in line]
    assert "text.png: not an image" in start
    assert "first.jpg: damaged or truncated" in start
    assert "1 damaged image is replaced by other draws" in end
    assert "cut.jpg: damaged or truncated" in end
    assert "text.png" in (tmp_path / "run" / "report.html").read_text()
    assert "cut.jpg" in (tmp_path / "run" / "report.html").read_text()
    evaluation = cgkit("evaluate", tmp_path / "run", "--json")
    assert evaluation.code == 0
    assert "first.jpg" in evaluation.err
    assert {number["protocol"]["n"] for number in evaluation.json["numbers"]} == {3}


def test_a_run_with_damaged_images_resumes_bit_for_bit(cgkit: Run, damaged: Path, tmp_path: Path) -> None:
    constant = ("--set", "schedule.name=constant", *SKIP)
    for output, lengths in (("whole", (7,)), ("parts", (1, 3, 4, 7))):
        for steps in lengths:
            workers = f"data.workers={steps % 2}"
            options = ("--set", f"train.steps={steps}", "--set", workers, *constant)
            assert cgkit("run", damaged, "--output", tmp_path / output, *options).code == 0
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], tensor) for name, tensor in parts.items())
    noted = [[note.message for note in read_notes(tmp_path / run)][-1] for run in ("whole", "parts")]
    assert noted[0] == noted[1]


def test_without_any_intact_image_nothing_is_trained(cgkit: Run, damaged: Path, tmp_path: Path) -> None:
    for file in (tmp_path / "a").iterdir():
        file.write_text("no image")
    assert_one_error(cgkit("run", damaged, "--output", tmp_path / "run", *SKIP), 3, "not an image")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("remedy", ["removed", "repaired", "skipped"])
def test_each_remedy_for_an_image_that_is_damaged_during_the_training_works(
    cgkit: Run, tiny_spec: Path, tmp_path: Path, image_folder: Callable[..., Path], remedy: str
) -> None:
    a = image_folder("a", 6)
    truncated_jpeg(a / "last.jpg")  # the fourth to be shown
    spec = folder_spec(tiny_spec, a, image_folder("b"), held_out=0)
    options = ["run", spec, "--output", tmp_path / "run", "--set", "train.batch=1", "--set", "train.steps=12"]
    assert_one_error(
        cgkit(*options), 3, "last.jpg: damaged or truncated", "--change data", "data.skip_damaged = true", "--decode"
    )
    if remedy == "skipped":
        options += SKIP
    else:
        (a / "last.jpg").unlink()
        options += ["--change", "data"]
    if remedy == "repaired":
        Image.new("RGB", (30, 30), "red").save(a / "last.jpg")
    result = cgkit(*options)
    assert result.code == 0, result.err
    assert f"resuming {tmp_path / 'run'} at step 3 of 12" in result.err
    assert [change.path for change in read_changes(tmp_path / "run")] == ["data.a"] * (remedy != "skipped")
