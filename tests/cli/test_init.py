from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cgkit.scaffolding.presets import PRESETS
from tests.conftest import Result

Cli = Callable[..., Result]
MakeFolder = Callable[..., Path]

SHORT = ("--hours", "0.001")
"""A time that is too short for more than one setting to be measured."""

_SMALLEST = ("generator.width=2", "generator.blocks=1", "discriminator.width=2", "evaluation.count=2")
TINY = tuple(word for setting in _SMALLEST for word in ("--set", setting))
"""Overrides with which a starter spec is checked in a second."""


def test_without_folders_the_spec_uses_the_built_in_data(cgkit: Cli, tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    result = cgkit("init", "--output", file, *SHORT)
    assert result.code == 0
    assert 'source = "seasons"' in file.read_text()
    assert cgkit("check", file, *TINY).code == 0


def test_with_two_folders_the_spec_has_their_size_and_paths(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder
) -> None:
    image_folder("trainA", size=(70, 90))
    image_folder("trainB", size=(80, 66))
    file = tmp_path / "specs" / "mine.toml"
    result = cgkit("init", tmp_path / "trainA", tmp_path / "trainB", "--output", file, *SHORT)
    text = file.read_text()
    assert result.code == 0
    assert 'a = "../trainA"' in text
    assert "size = 64" in text
    assert "held_out" in text
    assert "shorter side 70 pixels, colour" in result.err
    assert cgkit("check", file, *TINY).code == 0


def test_test_folders_next_to_the_training_folders_are_found(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder
) -> None:
    for name in ("trainA", "trainB", "testA", "testB"):
        image_folder(name, size=(40, 40))
    file = tmp_path / "spec.toml"
    cgkit("init", tmp_path / "trainA", tmp_path / "trainB", "--output", file, "--paper")
    assert 'test_a = "testA"' in file.read_text()
    assert "held_out" not in file.read_text()


@pytest.mark.parametrize("modes", [("L", "L"), ("L", "RGB")])
def test_grey_folders_get_one_channel(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder, modes: tuple[str, str]
) -> None:
    a, b = image_folder("a", size=(40, 40), mode=modes[0]), image_folder("b", size=(40, 40), mode=modes[1])
    file = tmp_path / "spec.toml"
    cgkit("init", a, b, "--output", file, "--paper")
    assert f"channels = {{ a = 1, b = {1 if modes[1] == 'L' else 3} }}" in file.read_text()
    assert cgkit("check", file, *TINY).code == 0


def test_unreadable_images_are_named(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    a = image_folder("a")
    (a / "broken.png").write_text("text")
    result = cgkit("init", a, image_folder("b"), "--output", tmp_path / "spec.toml", *SHORT)
    assert result.code == 0
    assert "broken.png" in result.err


def test_an_existing_file_is_only_overwritten_with_force(cgkit: Cli, tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text("mine")
    refused = cgkit("init", "--output", file, "--paper")
    assert refused.code == 2
    assert f"use --output {tmp_path / 'spec-2.toml'}" in refused.err
    assert file.read_text() == "mine"
    assert cgkit("init", "--output", file, "--force", "--paper").code == 0


def test_a_folder_without_two_domains_is_not_enough(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    result = cgkit("init", image_folder("photos"), "--output", tmp_path / "spec.toml")
    assert result.code == 2
    assert "does not contain two domains" in result.err
    assert "cgkit init FOLDER_A FOLDER_B" in result.err


def test_all_folders_that_cannot_be_used_are_named_at_once(cgkit: Cli, tmp_path: Path) -> None:
    gone = [tmp_path / "gone", tmp_path / "lost"]
    assert cgkit("init", *gone).err.count("does not exist") == 2
    assert "give two folders" in cgkit("init", tmp_path, tmp_path, tmp_path).err
    empty = [tmp_path / "empty", tmp_path / "void"]
    for folder in empty:
        folder.mkdir()
    assert cgkit("init", *empty).err.count("contains no images") == 2


def test_an_empty_folder_is_rejected(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    (tmp_path / "none").mkdir()
    Image.new("RGB", (8, 8)).save(image_folder("a") / "x.png")
    result = cgkit("init", tmp_path / "a", tmp_path / "none", "--output", tmp_path / "spec.toml")
    assert result.code == 3
    assert not (tmp_path / "spec.toml").exists()


def deep_folders(folder: Path) -> tuple[Path, Path]:
    """Write 12-bit grey images as 16-bit PNG, and images of three float bands as TIFF."""
    rng = np.random.default_rng(0)
    for name in "ab":
        (folder / name).mkdir()
    for number in range(3):
        grey = rng.integers(0, 4096, (40, 44), np.uint16)
        grey[0, 0] = 4000
        Image.fromarray(grey).save(folder / "a" / f"{number}.png")
        bands = rng.uniform(-1000, 3000, (40, 44, 3)).astype(np.float32)
        bands[0, 0] = (-999.5, 0, 2999.5)
        tifffile.imwrite(folder / "b" / f"{number}.tif", bands.clip(-999.5, 2999.5), photometric="rgb")
    return folder / "a", folder / "b"


def test_deep_images_get_a_range_and_channels(cgkit: Cli, tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    result = cgkit("init", *deep_folders(tmp_path), "--output", file, *SHORT)
    assert "a: 3 images, shorter side 40 pixels, grey of uint16 from 0 to 4095" in result.err
    assert "b: 3 images, shorter side 40 pixels, colour of float32 from -1000 to 3000" in result.err
    assert "channels = { a = 1, b = 3 }" in file.read_text()
    assert "range = { a = [0, 4095], b = [-1000, 3000] }" in file.read_text()
    assert "identity = 0 " in file.read_text()
    checked = cgkit("check", file, *TINY)
    assert checked.code == 0
    assert "domain a: 1 channel of uint16, black at 0 and white at 4095" in checked.out
    assert "domain b: 3 channels of float32, black at -1000 and white at 3000" in checked.out


def test_full_16_bit_range_and_many_bands_are_detected(cgkit: Cli, tmp_path: Path) -> None:
    for name, values in (("a", np.full((40, 40), 50_000, np.uint16)), ("b", np.full((40, 40, 13), 0.25, np.float32))):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", values)
    file = tmp_path / "spec.toml"
    result = cgkit("init", tmp_path / "a", tmp_path / "b", "--output", file, "--paper")
    assert "grey of uint16\n" in result.err
    assert "13 bands of float32 from 0.25 to 1.25" in result.err
    assert "channels = { a = 1, b = 13 }" in file.read_text()
    assert "range = { b = [0.25, 1.25] }" in file.read_text()


@pytest.mark.parametrize(
    ("folders", "name"),
    [
        (("trainA", "trainB", "testA", "testB"), "data"),
        (("train/A", "train/B", "test/A", "test/B"), "data"),
        (("A", "B", "testA", "testB"), "data"),
    ],
)
def test_the_root_of_a_data_set_is_enough(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder, folders: tuple[str, ...], name: str
) -> None:
    for folder in folders:
        image_folder(f"data/{folder}")
    file = tmp_path / "spec.toml"
    result = cgkit("init", tmp_path / "data", "--output", file, "--paper")
    values = tomllib.loads(file.read_text())
    assert values["name"] == name
    assert [values["data"][key] for key in ("a", "b", "test_a", "test_b")] == [f"data/{folder}" for folder in folders]
    assert f"a is {tmp_path / 'data' / folders[0]}" in result.err


def test_test_images_of_the_same_names_are_taken_for_pairs(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder
) -> None:
    for folder in ("trainA", "trainB", "testA", "testB"):
        image_folder(f"data/{folder}")
    file = tmp_path / "spec.toml"
    result = cgkit("init", tmp_path / "data", "--output", file, "--paper")
    assert tomllib.loads(file.read_text())["data"]["aligned"] is True
    assert "taken for pairs: aligned = true" in result.err
    (tmp_path / "data" / "testA" / "image-0.png").rename(tmp_path / "data" / "testA" / "other.png")
    cgkit("init", tmp_path / "data", "--output", file, "--paper", "--force")
    assert "aligned" not in tomllib.loads(file.read_text())["data"]


def test_a_domain_that_contains_both_splits_is_pointed_out(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder
) -> None:
    for folder in ("horses/train", "horses/test", "zebras"):
        image_folder(folder)
    result = cgkit("init", tmp_path / "horses", tmp_path / "zebras", "--output", tmp_path / "spec.toml", "--paper")
    assert result.code == 0
    assert f"{tmp_path / 'horses'} is one domain here, but contains test and train" in result.err


def test_a_taken_default_name_is_numbered(cgkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        result = cgkit("init", "--paper")
    assert "spec.toml already exists, so the spec is spec-2.toml" in result.err
    names = [tomllib.loads(Path(file).read_text())["name"] for file in ("spec.toml", "spec-2.toml")]
    assert names == ["seasons", "seasons-2"]


def test_the_shape_that_all_images_share_is_kept(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    a, b = image_folder("a", size=(100, 66)), image_folder("b", size=(150, 100))
    file = tmp_path / "spec.toml"
    cgkit("init", a, b, "--output", file, *SHORT)
    values = tomllib.loads(file.read_text())
    assert values["data"]["size"] == [64, 96]
    assert values["augmentation"][0] == {"name": "resize-and-crop", "aspect": "keep"}
    assert cgkit("check", file, *TINY).code == 0


def test_small_images_are_halved_only_once(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    a, b = image_folder("a", size=(64, 64)), image_folder("b", size=(64, 64))
    file = tmp_path / "spec.toml"
    cgkit("init", a, b, "--output", file, *SHORT)
    generator = tomllib.loads(file.read_text())["generator"]
    assert (generator["downsamplings"], generator["upsample"]) == (1, "resize")


def test_the_spec_says_what_was_measured_and_what_is_too_little(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder
) -> None:
    file = tmp_path / "spec.toml"
    result = cgkit("init", image_folder("a"), image_folder("b"), "--output", file, *SHORT)
    text = file.read_text()
    assert re.search(r"# .*Measured here \(\w+ on \w+\): [\d.]+ s a step\.", text)
    assert re.search(r"# Steps: [\d,]+, in [\d.e-]+ h", text)
    assert re.search(r"chosen: 32x32 pixels, width 24, 4 blocks, steps: [\d,]+", result.err)
    assert "give it more time, for example --hours" in result.err
    assert "give it more time" in text


def test_files_that_are_no_images_are_counted(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    a, b = image_folder("a"), image_folder("b")
    for name in ("1.cr2", "2.CR2", "notes.txt"):
        (a / name).write_text("")
    file = tmp_path / "spec.toml"
    counted = "2 .cr2, 1 .txt"
    assert f"ignored: {counted}" in cgkit("init", a, b, "--output", file, "--paper").err
    few = (*TINY, "--set", "train.steps=1", "--set", "data.size=32", "--set", "discriminator.layers=1")
    checked = cgkit("check", file, *few, "--json")
    assert list(checked.json["ignored"].values()) == [counted]
    assert f"ignored in {a}: {counted}" in cgkit("check", file, *few).out
    ran = cgkit("run", file, *few, "--output", tmp_path / "run")
    assert ran.code == 0
    assert f"ignored in {a}: {counted}" in ran.err


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_gives_a_valid_spec_and_its_provenance(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder, preset: str
) -> None:
    a, b = image_folder("a", size=(40, 40)), image_folder("b", size=(44, 44))
    file = tmp_path / "spec.toml"
    time = () if preset == "paper" else SHORT
    assert cgkit("init", a, b, "--output", file, "--preset", preset, *time).code == 0
    text = file.read_text()
    assert f"# Preset {preset}: " in text
    assert all(f"# {why}" in text for _, why in PRESETS[preset].values.values())
    assert cgkit("check", file, *TINY).code == 0
    assert preset in cgkit("init", "--help").out


def test_the_paper_is_the_paper(cgkit: Cli, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("paper", "preset", "zero")]
    for file, option in zip(files, (["--paper"], ["--preset", "paper"], ["--hours", "0"]), strict=True):
        assert cgkit("init", "--output", file, *option).code == 0
    texts = {file.read_text() for file in files}
    assert len(texts) == 1
    train = tomllib.loads(texts.pop())["train"]
    assert (train["epochs"], train["batch"], train["learning_rate"]) == (200, 1, 2e-4)
    assert cgkit("init", "--output", tmp_path / "x", "--paper", "--preset", "quick").code == 2
    assert cgkit("init", "--output", tmp_path / "x", "--preset", "paper", "--hours", "1").code == 2


def test_many_channels_may_be_a_volume(cgkit: Cli, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "0.npy", np.random.default_rng(0).random((64, 64, 40), np.float32))
    result = cgkit("init", tmp_path / "a", tmp_path / "b", "--paper", "--output", tmp_path / "spec.toml")
    assert "warning: 40 channels are taken for bands of one image; if they are the slices of volumes" in result.err
