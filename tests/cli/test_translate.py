from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cgkit.plugins import Plugins
from cgkit.runs.start import run
from cgkit.translation.translator import Translator
from tests.conftest import TINY, Result, load_image

Cli = Callable[..., Result]
MakeFolder = Callable[..., Path]


def images(folder: Path) -> list[Path]:
    """Return the paths of all visible files below a folder, relative to it."""
    return sorted(
        path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", output=folder / "run").folder


def test_all_images_are_translated_and_keep_their_names_and_sizes(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs = image_folder("inputs", count=60, size=(19, 13))
    (inputs / "deeper").mkdir()
    Image.new("RGB", (40, 31), "red").save(inputs / "deeper" / "photo.jpg")
    result = cgkit("translate", trained, inputs, "--output", tmp_path / "out")
    assert result.code == 0
    assert images(tmp_path / "out") == images(inputs)
    with Image.open(tmp_path / "out" / "image-7.png") as image:
        assert image.size == (19, 13)
    with Image.open(tmp_path / "out" / "deeper" / "photo.jpg") as image:
        assert image.size == (40, 31)


def test_both_directions_differ(cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder) -> None:
    inputs = image_folder("inputs", count=1)
    pixels = []
    for direction in ("a2b", "b2a"):
        cgkit("translate", trained, inputs / "image-0.png", "--output", tmp_path / direction, "--direction", direction)
        pixels.append(np.asarray(load_image(tmp_path / direction / "image-0.png")))
    assert not np.array_equal(*pixels)


def test_a_translation_is_the_output_of_the_generator(
    cgkit: Cli, trained: Path, tmp_path: Path, plugins: Plugins, image_folder: MakeFolder
) -> None:
    inputs = image_folder("inputs", count=1, size=(16, 16))
    cgkit("translate", trained, inputs, "--output", tmp_path / "out")
    image = torch.from_numpy(np.array(load_image(inputs / "image-0.png"))).permute(2, 0, 1).float() / 255
    expected = Translator.load(trained, plugins=plugins, device="cpu")(image)
    written = torch.from_numpy(np.array(load_image(tmp_path / "out" / "image-0.png"))).permute(2, 0, 1).float() / 255
    assert (written - expected).abs().max() <= 0.5 / 255 + 1e-6


def test_grey_images_are_translated_by_a_colour_model(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs = image_folder("inputs", count=1, mode="L")
    assert cgkit("translate", trained, inputs, "--output", tmp_path / "out").code == 0
    assert load_image(tmp_path / "out" / "image-0.png").mode == "RGB"


def test_a_grey_model_writes_grey_images(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    a, b = image_folder("a", mode="L"), image_folder("b", mode="L", seed=1)
    data = f'[data]\nsource = "folder"\na = "{a}"\nb = "{b}"\nchannels = 1'
    spec = TINY.replace('[data]\nsource = "seasons"', data).replace("train = 12\ntest = 4\n", "")
    (tmp_path / "spec.toml").write_text(spec)
    assert cgkit("run", tmp_path / "spec.toml", "--output", tmp_path / "run").code == 0
    assert cgkit("translate", tmp_path / "run", a, "--output", tmp_path / "out").code == 0
    assert {load_image(tmp_path / "out" / name).mode for name in images(tmp_path / "out")} == {"L"}


def test_the_batch_size_does_not_matter_and_bf16_differs_little(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs = image_folder("inputs", count=5, size=(16, 16))
    settings = {"single": ("--batch", 1), "batched": ("--batch", 3), "bf16": ("--precision", "bf16")}
    for name, options in settings.items():
        assert cgkit("translate", trained, inputs, "--output", tmp_path / name, *options).code == 0
    pixels = {
        name: np.stack([np.asarray(load_image(tmp_path / name / file), int) for file in images(tmp_path / name)])
        for name in settings
    }
    assert len(pixels["single"]) == 5
    assert np.array_equal(pixels["single"], pixels["batched"])
    difference = np.abs(pixels["bf16"] - pixels["single"])
    assert 0 < difference.max() <= 8


def test_an_image_too_small_for_the_generator_is_reported(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (3, 3)).save(tmp_path / "in" / "tiny.png")
    result = cgkit("translate", trained, tmp_path / "in", "--output", tmp_path / "out")
    assert result.code == 3
    assert "tiny.png" in result.err
    assert "Traceback" not in result.err


def test_a_bad_file_is_reported_and_the_others_are_translated(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs = image_folder("inputs", count=3)
    (inputs / "image-1.png").write_text("no image")
    result = cgkit("translate", trained, inputs, "--output", tmp_path / "out", "--json")
    assert result.code == 3
    assert len(result.json["written"]) == 2
    assert "image-1.png" in result.json["failed"][0]
    assert len([line for line in result.err.splitlines() if line.startswith("error:")]) == 1


def test_a_mistyped_path_leaves_no_folder(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    result = cgkit("translate", trained, tmp_path / "phtos", "--output", tmp_path / "translated")
    assert (result.code, result.err.endswith("phtos does not exist\n")) == (3, True)
    assert not (tmp_path / "translated").exists()


def test_an_input_is_never_overwritten(cgkit: Cli, trained: Path, image_folder: MakeFolder) -> None:
    inputs = image_folder("inputs", count=1)
    before = (inputs / "image-0.png").read_bytes()
    result = cgkit("translate", trained, inputs, "--output", inputs)
    assert result.code == 2
    assert (inputs / "image-0.png").read_bytes() == before


def test_of_two_inputs_of_the_same_name_the_second_is_reported(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    first, second = image_folder("x"), image_folder("y")
    shutil.copy(next(second.glob("*.png")), second / "other.png")
    result = cgkit("translate", trained, first, second, "--output", tmp_path / "out")
    assert result.code == 3
    assert result.err.count("translate it into another folder") == len(list(first.iterdir()))
    assert (tmp_path / "out" / "other.png").exists()


def test_a_folder_without_a_model_is_rejected(cgkit: Cli, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    result = cgkit("translate", tmp_path, tmp_path / "x.png", "--output", tmp_path / "out")
    assert result.code == 5
    assert "holds no model" in result.err


def test_a_model_folder_can_be_used_without_its_run(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs = image_folder("inputs", count=1)
    (trained / "model").rename(tmp_path / "elsewhere")
    try:
        assert cgkit("translate", tmp_path / "elsewhere", inputs, "--output", tmp_path / "out").code == 0
    finally:
        (tmp_path / "elsewhere").rename(trained / "model")


def test_weights_that_the_model_does_not_have_are_reported(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs = image_folder("inputs", count=1)
    assert cgkit("translate", trained, inputs, "--output", tmp_path / "out", "--weights", "raw").code == 0
    result = cgkit("translate", trained, inputs, "--output", tmp_path / "averaged", "--weights", "ema")
    assert result.code == 5
    assert "no moving average" in result.err
    assert not (tmp_path / "averaged").exists()


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_damaged_weights_are_rejected(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder, damage: str
) -> None:
    inputs = image_folder("inputs", count=1)
    weights = trained / "model" / "model.safetensors"
    content = weights.read_bytes()
    try:
        if damage == "cut":
            weights.write_bytes(content[:-10])
        else:
            config = trained / "model" / "config.json"
            original = config.read_text()
            config.write_text(original.replace('"blocks": 1', '"blocks": 2'))
        result = cgkit("translate", trained, inputs, "--output", tmp_path / "out")
        assert result.code == 5
        assert "model.safetensors" in result.err
    finally:
        weights.write_bytes(content)
        if damage == "other":
            config.write_text(original)


def test_images_that_were_translated_before_are_skipped(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs, out = image_folder("inputs", count=4), tmp_path / "out"
    assert cgkit("translate", trained, inputs / "image-0.png", inputs / "image-1.png", "--output", out).code == 0
    before = {name: (out / name).stat().st_mtime_ns for name in images(out)}
    result = cgkit("translate", trained, inputs, "--output", out, "--json")
    assert [Path(name).name for name in result.json["skipped"]] == ["image-0.png", "image-1.png"]
    assert [Path(name).name for name in result.json["written"]] == ["image-2.png", "image-3.png"]
    assert {name: (out / name).stat().st_mtime_ns for name in before} == before


def test_an_image_that_has_changed_is_translated_again(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs, out = image_folder("inputs", count=2), tmp_path / "out"
    cgkit("translate", trained, inputs, "--output", out)
    Image.new("RGB", (9, 9), "red").save(inputs / "image-1.png")
    result = cgkit("translate", trained, inputs, "--output", out, "--json")
    assert [Path(name).name for name in result.json["written"]] == ["image-1.png"]
    assert load_image(out / "image-1.png").size == (9, 9)


def test_files_of_another_origin_are_only_replaced_with_overwrite(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs, out = image_folder("inputs", count=2), image_folder("out", count=1, size=(5, 5))
    before = (out / "image-0.png").read_bytes()
    rejected = cgkit("translate", trained, inputs, "--output", out)
    assert rejected.code == 2
    assert "this model did not write it" in rejected.err
    assert (out / "image-0.png").read_bytes() == before
    assert [path.name for path in out.iterdir()] == ["image-0.png"]
    assert cgkit("translate", trained, inputs, "--output", out, "--overwrite").code == 0
    assert load_image(out / "image-0.png").size != (5, 5)
    assert cgkit("translate", trained, inputs, "--output", out, "--direction", "b2a").code == 2


def test_an_interrupted_overwrite_resumes_and_keeps_no_earlier_translation(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs, out = image_folder("inputs", count=3), tmp_path / "out"
    cgkit("translate", trained, inputs, "--output", out, "--direction", "b2a")
    (inputs / "image-1.png").write_text("no image")
    assert cgkit("translate", trained, inputs, "--output", out, "--overwrite", "--strict").code == 3
    (inputs / "image-1.png").write_bytes((inputs / "image-0.png").read_bytes())
    result = cgkit("translate", trained, inputs, "--output", out, "--json")
    assert result.code == 0
    assert "image-1.png" in {Path(name).name for name in result.json["written"]}
    cgkit("translate", trained, inputs, "--output", tmp_path / "fresh")
    for name in images(out):
        assert (out / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()


def test_a_killed_translation_resumes(
    cgkit: Cli, cgkit_process: Callable[..., Any], trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs, out = image_folder("inputs", count=400, size=(48, 48)), tmp_path / "out"
    process = cgkit_process("translate", trained, inputs, "--output", out)
    deadline = time.monotonic() + 60
    while not (out.is_dir() and len(images(out)) > 5):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.kill()
    process.communicate()
    finished = images(out)
    assert len(finished) < 400
    for name in finished:
        load_image(out / name)
    result = cgkit("translate", trained, inputs, "--output", out, "--json")
    assert result.code == 0
    # Each of two threads may have been killed after it had written a file and before it recorded that.
    assert len(finished) - 2 <= len(result.json["skipped"]) <= len(finished)
    assert images(out) == images(inputs)


def test_inputs_can_be_patterns_and_lists(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = image_folder("inputs", count=3)
    (inputs / "deep er").mkdir()
    (inputs / "image-2.png").rename(inputs / "deep er" / "ünï[1].png")
    cgkit("translate", trained, inputs / "**" / "*.png", "--output", tmp_path / "found")
    assert images(tmp_path / "found") == images(inputs)
    cgkit("translate", trained, inputs / "deep er" / "ünï[1].png", "--output", tmp_path / "named")
    assert images(tmp_path / "named") == [Path("ünï[1].png")]
    for name, separator in (("lines", "\n"), ("nuls", "\0")):
        names = "".join(f"{inputs / file}{separator}" for file in images(inputs))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(names.encode())))
        assert cgkit("translate", trained, "-", "--output", tmp_path / name).code == 0
        assert len(images(tmp_path / name)) == 3
    none = cgkit("translate", trained, inputs / "*.gif", "--output", tmp_path / "none")
    assert none.code == 3
    assert "no file matches" in none.err


def test_format_changes_the_file_format(cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder) -> None:
    inputs = image_folder("inputs", count=1)
    (inputs / "image-0.png").rename(inputs / "no suffix. really")
    result = cgkit("translate", trained, inputs / "no suffix. really", "--output", tmp_path / "out", "--format", "webp")
    assert result.code == 0
    assert images(tmp_path / "out") == [Path("no suffix.webp")]
    assert load_image(tmp_path / "out" / "no suffix.webp").format == "WEBP"


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_an_input_is_not_overwritten_through_a_link(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder, kind: str
) -> None:
    inputs = image_folder("inputs", count=2)
    (tmp_path / "out").mkdir()
    link = tmp_path / "out" / "image-0.png"
    link.symlink_to(inputs / "image-1.png") if kind == "symlink" else link.hardlink_to(inputs / "image-1.png")
    before = (inputs / "image-1.png").read_bytes()
    result = cgkit("translate", trained, inputs, "--output", tmp_path / "out", "--overwrite")
    assert result.code == 2
    assert "would be overwritten" in result.err
    assert (inputs / "image-1.png").read_bytes() == before


def test_strict_stops_at_the_first_bad_file(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: MakeFolder
) -> None:
    inputs = image_folder("inputs", count=60)
    (inputs / "image-0.png").write_text("no image")
    result = cgkit("translate", trained, inputs, "--output", tmp_path / "out", "--strict", "--json", "--batch", 1)
    assert result.code == 3
    assert len(result.json["failed"]) == 1
    assert len(images(tmp_path / "out")) < 20
