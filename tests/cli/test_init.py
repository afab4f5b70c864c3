from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Result

Cli = Callable[..., Result]


def test_without_folders_it_writes_a_spec_of_the_built_in_data(cgkit: Cli, tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    result = cgkit("init", "--output", file)
    assert result.code == 0
    assert 'source = "seasons"' in file.read_text()
    assert cgkit("check", file, "--set", "generator.width=2", "--set", "discriminator.width=2").code == 0


def test_given_two_folders_it_fills_in_size_and_paths(
    cgkit: Cli, tmp_path: Path, image_folder: Callable[..., Path]
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


def test_test_folders_beside_the_training_folders_are_found(
    cgkit: Cli, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    for name in ("trainA", "trainB", "testA", "testB"):
        image_folder(name, size=(40, 40))
    file = tmp_path / "spec.toml"
    cgkit("init", tmp_path / "trainA", tmp_path / "trainB", "--output", file)
    assert 'test_a = "testA"' in file.read_text()
    assert "held_out" not in file.read_text()


@pytest.mark.parametrize("modes", [("L", "L"), ("L", "RGB")])
def test_grey_folders_get_one_channel(
    cgkit: Cli, tmp_path: Path, image_folder: Callable[..., Path], modes: tuple[str, str]
) -> None:
    a, b = image_folder("a", size=(40, 40), mode=modes[0]), image_folder("b", size=(40, 40), mode=modes[1])
    file = tmp_path / "spec.toml"
    cgkit("init", a, b, "--output", file)
    assert f"channels = {{ a = 1, b = {1 if modes[1] == 'L' else 3} }}" in file.read_text()
    overrides = ["--set", "generator.width=2", "--set", "discriminator.width=2"]
    assert cgkit("check", file, *overrides).code == 0


def test_unreadable_images_are_named(cgkit: Cli, tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    a = image_folder("a")
    (a / "broken.png").write_text("text")
    result = cgkit("init", a, image_folder("b"), "--output", tmp_path / "spec.toml")
    assert result.code == 0
    assert "broken.png" in result.err


def test_an_existing_file_is_kept(cgkit: Cli, tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text("mine")
    assert cgkit("init", "--output", file).code == 2
    assert file.read_text() == "mine"
    assert cgkit("init", "--output", file, "--force").code == 0


def test_one_folder_is_not_enough(cgkit: Cli, tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    assert cgkit("init", image_folder("a"), "--output", tmp_path / "spec.toml").code == 2


def test_an_empty_folder(cgkit: Cli, tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    (tmp_path / "none").mkdir()
    Image.new("RGB", (8, 8)).save(image_folder("a") / "x.png")
    result = cgkit("init", tmp_path / "a", tmp_path / "none", "--output", tmp_path / "spec.toml")
    assert result.code == 3
    assert not (tmp_path / "spec.toml").exists()
