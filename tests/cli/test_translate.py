from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cgkit.engine.launch import run
from cgkit.plugins import Plugins
from cgkit.translation.translator import Translator
from tests.conftest import TINY, Result

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", output=folder / "run").folder


def test_all_images_are_translated_under_their_own_names_and_sizes(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    inputs = image_folder("inputs", count=60, size=(19, 13))
    (inputs / "deeper").mkdir()
    Image.new("RGB", (40, 31), "red").save(inputs / "deeper" / "photo.jpg")
    result = cgkit("translate", trained, inputs, "--output", tmp_path / "out")
    assert result.code == 0
    names = {path.relative_to(inputs) for path in inputs.rglob("*.*")}
    assert {path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.*")} == names
    with Image.open(tmp_path / "out" / "image-7.png") as image:
        assert image.size == (19, 13)
    with Image.open(tmp_path / "out" / "deeper" / "photo.jpg") as image:
        assert image.size == (40, 31)


def test_both_directions_differ(cgkit: Cli, trained: Path, tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    inputs = image_folder("inputs", count=1)
    pixels = []
    for direction in ("a2b", "b2a"):
        cgkit("translate", trained, inputs / "image-0.png", "--output", tmp_path / direction, "--direction", direction)
        pixels.append(np.asarray(Image.open(tmp_path / direction / "image-0.png")))
    assert not np.array_equal(*pixels)


def test_a_translation_is_what_the_generator_computes(
    cgkit: Cli, trained: Path, tmp_path: Path, plugins: Plugins, image_folder: Callable[..., Path]
) -> None:
    inputs = image_folder("inputs", count=1, size=(16, 16))
    cgkit("translate", trained, inputs, "--output", tmp_path / "out")
    image = torch.from_numpy(np.array(Image.open(inputs / "image-0.png"))).permute(2, 0, 1).float() / 255
    expected = Translator.load(trained, plugins=plugins, device="cpu")(image)
    written = torch.from_numpy(np.array(Image.open(tmp_path / "out" / "image-0.png"))).permute(2, 0, 1).float() / 255
    assert (written - expected).abs().max() <= 0.5 / 255 + 1e-6


def test_grey_images_are_translated_by_a_colour_model(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    inputs = image_folder("inputs", count=1, mode="L")
    assert cgkit("translate", trained, inputs, "--output", tmp_path / "out").code == 0
    assert Image.open(tmp_path / "out" / "image-0.png").mode == "RGB"


def test_a_grey_model_writes_grey_images(cgkit: Cli, tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    a, b = image_folder("a", mode="L"), image_folder("b", mode="L", seed=1)
    data = f'[data]\nsource = "folder"\na = "{a}"\nb = "{b}"\nchannels = 1'
    spec = TINY.replace('[data]\nsource = "seasons"', data).replace("train = 12\ntest = 4\n", "")
    (tmp_path / "spec.toml").write_text(spec)
    assert cgkit("run", tmp_path / "spec.toml", "--output", tmp_path / "run").code == 0
    assert cgkit("translate", tmp_path / "run", a, "--output", tmp_path / "out").code == 0
    assert {Image.open(path).mode for path in (tmp_path / "out").iterdir()} == {"L"}


def test_batches_change_nothing_and_bf16_little(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    inputs = image_folder("inputs", count=5, size=(16, 16))
    ways = {"alone": ("--batch", 1), "together": ("--batch", 3), "bf16": ("--precision", "bf16")}
    for name, options in ways.items():
        assert cgkit("translate", trained, inputs, "--output", tmp_path / name, *options).code == 0
    pixels = {
        name: np.stack([np.asarray(Image.open(file), int) for file in sorted((tmp_path / name).iterdir())])
        for name in ways
    }
    assert len(pixels["alone"]) == 5
    assert np.array_equal(pixels["alone"], pixels["together"])
    difference = np.abs(pixels["bf16"] - pixels["alone"])
    assert 0 < difference.max() <= 8


def test_an_image_too_small_for_the_generator_is_reported(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (3, 3)).save(tmp_path / "in" / "tiny.png")
    result = cgkit("translate", trained, tmp_path / "in", "--output", tmp_path / "out")
    assert result.code == 3
    assert "tiny.png" in result.err
    assert "Traceback" not in result.err


def test_one_bad_file_is_reported_and_the_rest_goes_on(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    inputs = image_folder("inputs", count=3)
    (inputs / "image-1.png").write_text("no image")
    result = cgkit("translate", trained, inputs, "--output", tmp_path / "out", "--json")
    assert result.code == 3
    assert len(result.json["written"]) == 2
    assert "image-1.png" in result.json["failed"][0]
    assert len([line for line in result.err.splitlines() if line.startswith("error:")]) == 1


def test_an_input_is_never_overwritten(cgkit: Cli, trained: Path, image_folder: Callable[..., Path]) -> None:
    inputs = image_folder("inputs", count=1)
    before = (inputs / "image-0.png").read_bytes()
    result = cgkit("translate", trained, inputs, "--output", inputs)
    assert result.code == 2
    assert (inputs / "image-0.png").read_bytes() == before


def test_two_inputs_of_one_name_are_refused(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    result = cgkit("translate", trained, image_folder("x"), image_folder("y"), "--output", tmp_path / "out")
    assert result.code == 2
    assert "would both be written" in result.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_run(cgkit: Cli, tmp_path: Path) -> None:
    result = cgkit("translate", tmp_path, tmp_path / "x.png", "--output", tmp_path / "out")
    assert result.code == 5
    assert "holds no model" in result.err


def test_a_model_folder_alone_is_enough(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    inputs = image_folder("inputs", count=1)
    (trained / "model").rename(tmp_path / "elsewhere")
    try:
        assert cgkit("translate", tmp_path / "elsewhere", inputs, "--output", tmp_path / "out").code == 0
    finally:
        (tmp_path / "elsewhere").rename(trained / "model")


@pytest.mark.parametrize("damage", ["cut", "other"])
def test_damaged_weights_are_refused(
    cgkit: Cli, trained: Path, tmp_path: Path, image_folder: Callable[..., Path], damage: str
) -> None:
    inputs = image_folder("inputs", count=1)
    weights = trained / "model" / "generator_a2b.safetensors"
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
        assert "generator_a2b.safetensors" in result.err
    finally:
        weights.write_bytes(content)
        if damage == "other":
            config.write_text(original)
