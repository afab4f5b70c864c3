"""`cgkit translate` for whole folders: scale, single files, arrays of jobs, and what is ignored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cgkit.display.reporter import Silence
from cgkit.plugins import Plugins
from cgkit.runs.start import run
from cgkit.translation.translator import Translator
from tests.conftest import TINY, Result, load_image

Cli = Callable[..., Result]

pytestmark = pytest.mark.filterwarnings("always::cgkit.errors.CgkitWarning")
"""Warnings are printed, as they are outside of tests."""


def make_images(folder: Path, count: int = 4, side: int = 64) -> Path:
    """Write noisy images."""
    folder.mkdir(parents=True)
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on images of 64 pixels a side, of which training sees 16."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    make_images(folder / "a"), make_images(folder / "b")
    data = '[data]\nsource = "folder"\na = "a"\nb = "b"'
    spec = TINY.replace('[data]\nsource = "seasons"', data).replace("train = 12\ntest = 4\n", "")
    (folder / "spec.toml").write_text(spec + '\n[[augmentation]]\nname = "flip"\n')
    return run(folder / "spec.toml", output=folder / "run", reporter=Silence()).folder


def names(folder: Path) -> set[str]:
    """Return the paths of all visible files below a folder, relative to it."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {path.as_posix() for path in found if not path.name.startswith(".")}


def test_a_model_records_the_scale_of_its_training_images(trained: Path) -> None:
    config = json.loads((trained / "model" / "config.json").read_text())
    assert config["spec"]["data"]["trained_scale"] == {"a": [0.25, 0.25], "b": [0.25, 0.25]}
    assert "0.25" in (trained / "model" / "README.md").read_text()


def test_images_are_translated_at_the_trained_scale(
    cgkit: Cli, trained: Path, tmp_path: Path, plugins: Plugins
) -> None:
    inputs = make_images(tmp_path / "in", 3)
    native = cgkit("translate", trained, inputs, "--output", tmp_path / "native")
    assert native.err.count("4.0 times as large as training saw them") == 1
    at_scale = cgkit("translate", trained, inputs, "--output", tmp_path / "trained", "--scale", "trained")
    assert "times as large" not in at_scale.err
    small = cgkit("translate", trained, inputs, "--output", tmp_path / "s", "--scale", "trained", "--size", "scaled")
    assert (native.code, at_scale.code, small.code) == (0, 0, 0)
    translator = Translator.load(trained, plugins=plugins, scale="trained", size="scaled")
    expected = translator(Image.open(inputs / "0.png"))
    assert expected.size == (16, 16)
    assert np.array_equal(np.asarray(load_image(tmp_path / "s" / "0.png")), np.asarray(expected))
    assert load_image(tmp_path / "trained" / "0.png").size == (64, 64)
    again = load_image(tmp_path / "trained" / "0.png").resize((16, 16), Image.Resampling.BICUBIC)
    assert np.abs(np.asarray(again, float) - np.asarray(expected, float)).mean() < 8


def test_a_model_of_an_earlier_version_does_not_know_its_scale(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    inputs = make_images(tmp_path / "in", 1)
    shutil.copytree(trained / "model", tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    del config["spec"]["data"]["trained_scale"]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    refused = cgkit("translate", tmp_path / "model", inputs, "--output", tmp_path / "out", "--scale", "trained")
    assert refused.code == 2
    assert "does not record at which scale" in refused.err
    assert not (tmp_path / "out").exists()
    assert cgkit("translate", tmp_path / "model", inputs, "--output", tmp_path / "out", "--scale", "0.25").code == 0
    wrong = cgkit("translate", tmp_path / "model", inputs, "--output", tmp_path / "out", "--scale", "small")
    assert wrong.code == 2
    assert "native, trained, or a factor" in wrong.err


def test_larger_images_are_scaled_down_to_the_longest_side(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    inputs = make_images(tmp_path / "in", 3)
    result = cgkit("translate", trained, inputs, "--output", tmp_path / "out", "--max-side", 32)
    assert result.err.count("more than 32 pixels a side are scaled down") == 1
    assert load_image(tmp_path / "out" / "0.png").size == (32, 32)


def test_one_image_is_written_to_the_named_file(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    inputs, target = make_images(tmp_path / "in", 2), tmp_path / "deep" / "o.jpg"
    assert cgkit("translate", trained, inputs / "0.png", "--output", target).code == 0
    assert load_image(target).format == "JPEG"
    assert names(tmp_path / "deep") == {"o.jpg"}
    again = cgkit("translate", trained, inputs / "1.png", "--output", target)
    assert again.code == 2
    assert "o.jpg would be replaced" in again.err
    before = target.read_bytes()
    assert cgkit("translate", trained, inputs / "1.png", "--output", target, "--overwrite").code == 0
    assert target.read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("in", "--output", "o.png"), "o.png is one file, but there are 2 images"),
        (("in/0.png", "--output", "o.mp4"), "cannot be written as .mp4"),
        (("in/0.png", "--output", "in/0.png", "--overwrite"), "would be overwritten"),
        (("in/0.png", "--output", "o.png", "--format", "jpg"), "o.png is one file"),
        (("in", "--output", "out", "--shard", "3/2"), "K from 1 to N"),
    ],
)
def test_what_cannot_be_written_is_refused(
    cgkit: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_images(tmp_path / "in", 2)
    result = cgkit("translate", trained, *arguments)
    assert result.code == 2
    assert message in result.err
    assert names(tmp_path) == {"in/0.png", "in/1.png"}


@pytest.mark.parametrize("pattern", ["", "**/*.png"])
def test_a_folder_may_contain_its_translations(cgkit: Cli, trained: Path, tmp_path: Path, pattern: str) -> None:
    inputs = make_images(tmp_path / "in", 2)
    for written in (2, 0):
        result = cgkit("translate", trained, inputs / pattern, "--output", inputs / "out", "--json")
        assert result.code == 0
        assert len(result.json["written"]) == written
        assert names(inputs) == {"0.png", "1.png", "out/0.png", "out/1.png"}
    make_images(inputs / "more", 1)
    assert len(cgkit("translate", trained, inputs / pattern, "--output", inputs / "out", "--json").json["written"]) == 1


def test_shards_divide_the_files_among_them(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    inputs = make_images(tmp_path / "in", 12, side=16)
    shards = []
    for number in (1, 2, 3):
        result = cgkit("translate", trained, inputs, "--output", tmp_path / "out", "--shard", f"{number}/3", "--json")
        shards.append({Path(name).name for name in result.json["written"]})
        assert result.code == 0
    assert sum(map(len, shards)) == 12, "no file is in two shards"
    assert names(tmp_path / "out") == names(inputs)
    assert all(shards)
    (inputs / "0.png").unlink()
    result = cgkit("translate", trained, inputs, "--output", tmp_path / "again", "--shard", "2/3", "--json")
    assert {Path(name).name for name in result.json["written"]} == shards[1] - {"0.png"}, "files stay in their shard"


def test_files_that_are_no_images_are_counted(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    inputs = make_images(tmp_path / "in", 1)
    for name in ("a.cr2", "b.CR2", "notes.txt", ".hidden", "deeper/c.cr2"):
        (inputs / name).parent.mkdir(exist_ok=True)
        (inputs / name).touch()
    result = cgkit("translate", trained, inputs, "--output", inputs / "out", "--json")
    assert "ignored: 3 .cr2, 1 .txt" in result.err
    assert result.json["ignored"] == {".cr2": 3, ".txt": 1}
    assert "ignored" not in cgkit("translate", trained, inputs / "0.png", "--output", tmp_path / "out").err
