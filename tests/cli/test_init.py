from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.conftest import Result

Cli = Callable[..., Result]
MakeFolder = Callable[..., Path]


def test_without_folders_the_spec_uses_the_built_in_data(cgkit: Cli, tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    result = cgkit("init", "--output", file)
    assert result.code == 0
    assert 'source = "seasons"' in file.read_text()
    assert cgkit("check", file, "--set", "generator.width=2", "--set", "discriminator.width=2").code == 0


def test_with_two_folders_the_spec_has_their_size_and_paths(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder
) -> None:
    image_folder("trainA", size=(70, 90))
    image_folder("trainB", size=(80, 66))
    file = tmp_path / "specs" / "mine.toml"
    result = cgkit("init", tmp_path / "trainA", tmp_path / "trainB", "--output", file)
    text = file.read_text()
    assert result.code == 0
    assert 'a = "../trainA"' in text
    assert "size = 64" in text
    assert "held_out" in text
    assert "shorter side 70 pixels, colour" in result.err
    assert cgkit("check", file, "--set", "generator.width=2", "--set", "discriminator.width=2").code == 0


def test_test_folders_next_to_the_training_folders_are_found(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder
) -> None:
    for name in ("trainA", "trainB", "testA", "testB"):
        image_folder(name, size=(40, 40))
    file = tmp_path / "spec.toml"
    cgkit("init", tmp_path / "trainA", tmp_path / "trainB", "--output", file)
    assert 'test_a = "testA"' in file.read_text()
    assert "held_out" not in file.read_text()


@pytest.mark.parametrize("modes", [("L", "L"), ("L", "RGB")])
def test_grey_folders_get_one_channel(
    cgkit: Cli, tmp_path: Path, image_folder: MakeFolder, modes: tuple[str, str]
) -> None:
    a, b = image_folder("a", size=(40, 40), mode=modes[0]), image_folder("b", size=(40, 40), mode=modes[1])
    file = tmp_path / "spec.toml"
    cgkit("init", a, b, "--output", file)
    assert f"channels = {{ a = 1, b = {1 if modes[1] == 'L' else 3} }}" in file.read_text()
    overrides = ["--set", "generator.width=2", "--set", "discriminator.width=2"]
    assert cgkit("check", file, *overrides).code == 0


def test_unreadable_images_are_named(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    a = image_folder("a")
    (a / "broken.png").write_text("text")
    result = cgkit("init", a, image_folder("b"), "--output", tmp_path / "spec.toml")
    assert result.code == 0
    assert "broken.png" in result.err


def test_an_existing_file_is_only_overwritten_with_force(cgkit: Cli, tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text("mine")
    assert cgkit("init", "--output", file).code == 2
    assert file.read_text() == "mine"
    assert cgkit("init", "--output", file, "--force").code == 0


def test_one_folder_is_not_enough(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    assert cgkit("init", image_folder("a"), "--output", tmp_path / "spec.toml").code == 2


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
    result = cgkit("init", *deep_folders(tmp_path), "--output", file)
    assert "a: 3 images, shorter side 40 pixels, grey of uint16 from 0 to 4095" in result.err
    assert "b: 3 images, shorter side 40 pixels, colour of float32 from -1000 to 3000" in result.err
    assert "channels = { a = 1, b = 3 }" in file.read_text()
    assert "range = { a = [0, 4095], b = [-1000, 3000] }" in file.read_text()
    assert "identity = 0 " in file.read_text()
    checked = cgkit("check", file, "--set", "generator.width=2", "--set", "discriminator.width=2")
    assert checked.code == 0
    assert "domain a: 1 channel of uint16, black at 0 and white at 4095" in checked.out
    assert "domain b: 3 channels of float32, black at -1000 and white at 3000" in checked.out


def test_full_16_bit_range_and_many_bands_are_detected(cgkit: Cli, tmp_path: Path) -> None:
    for name, values in (("a", np.full((40, 40), 50_000, np.uint16)), ("b", np.full((40, 40, 13), 0.25, np.float32))):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "x.npy", values)
    file = tmp_path / "spec.toml"
    result = cgkit("init", tmp_path / "a", tmp_path / "b", "--output", file)
    assert "grey of uint16\n" in result.err
    assert "13 bands of float32 from 0.25 to 1.25" in result.err
    assert "channels = { a = 1, b = 13 }" in file.read_text()
    assert "range = { b = [0.25, 1.25] }" in file.read_text()
