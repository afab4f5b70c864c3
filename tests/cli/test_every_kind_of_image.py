"""Images of every kind can be trained on, evaluated and translated, and translations have the right kind."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import cgkit as package
from cgkit.runs.start import run
from tests.conftest import TINY, Result, load_image

Cli = Callable[..., Result]
MakeFolder = Callable[..., Path]

DEEP = (
    TINY.replace(
        'source = "seasons"',
        'source = "folder"\na = "a"\nb = "b"\nchannels = { a = 1, b = 3 }\nrange = { b = [-1000.0, 3000.0] }',
    ).replace("train = 12\ntest = 4\n", "")
    + '\n[objective]\nidentity = 0\n\n[[metric]]\nname = "kid"\n\n[[metric]]\nname = "cycle"\n'
)


def spec_of(folder: Path, data: str) -> Path:
    text = TINY.replace('source = "seasons"', f'source = "folder"\na = "a"\nb = "b"\n{data}')
    (folder / "spec.toml").write_text(text.replace("train = 12\ntest = 4\n", "") + "\n[objective]\nidentity = 0\n")
    return folder / "spec.toml"


def deep_folders(folder: Path) -> None:
    """Write 16-bit grey images, and images of three float bands."""
    rng = np.random.default_rng(0)
    for name in "ab":
        (folder / name).mkdir()
    for number in range(5):
        Image.fromarray(rng.integers(0, 65_536, (20, 24), np.uint16)).save(folder / "a" / f"{number}.png")
        bands = rng.uniform(-1000, 3000, (22, 18, 3)).astype(np.float32)
        tifffile.imwrite(folder / "b" / f"{number}.tif", bands, photometric="rgb")


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run from 16-bit grey to three float bands."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("deep")
    deep_folders(folder)
    (folder / "spec.toml").write_text(DEEP)
    run(folder / "spec.toml", output=folder / "run")
    return folder


class Test16BitGreyToFloatBands:
    def test_the_model_stores_depth_range_and_channels_of_both_domains(self, deep: Path) -> None:
        data = json.loads((deep / "run" / "model" / "config.json").read_text())["spec"]["data"]
        assert data["depth"] == {"a": "uint16", "b": "float32"}
        assert data["range"] == {"b": [-1000.0, 3000.0]}
        assert data["channels"] == [1, 3]

    def test_translations_have_the_bands_depth_and_range_of_their_domain(
        self, cgkit: Cli, deep: Path, tmp_path: Path
    ) -> None:
        assert cgkit("translate", deep / "run", deep / "a", "--output", tmp_path / "b").code == 0
        assert sorted(file.name for file in (tmp_path / "b").glob("*.*") if file.name[0] != ".") == [
            f"{number}.tif" for number in range(5)
        ]
        with tifffile.TiffFile(tmp_path / "b" / "0.tif") as file:
            page = file.pages[0]
            assert (page.shape, page.dtype, page.photometric.name) == ((20, 24, 3), np.float32, "RGB")
            values = page.asarray()
        assert -1000 <= values.min() < values.max() <= 3000
        grey = torch.from_numpy(np.asarray(load_image(deep / "a" / "0.png")).astype(np.float32))[None] / 65_535
        expected = package.Translator.load(deep / "run", device="cpu")(grey).permute(1, 2, 0).numpy() * 4000 - 1000
        assert np.abs(values - expected).max() < 0.01

        to_a = cgkit("translate", deep / "run", deep / "b", "--output", tmp_path / "a", "--direction", "b2a")
        assert to_a.code == 0
        # TIFF can hold 16-bit grey, so the format is kept.
        with tifffile.TiffFile(tmp_path / "a" / "0.tif") as file:
            assert (file.pages[0].shape, file.pages[0].dtype) == ((22, 18), np.uint16)
        cgkit(
            "translate", deep / "run", deep / "b", "--output", tmp_path / "png", "--direction", "b2a", "--format", "png"
        )
        assert load_image(tmp_path / "png" / "0.png").mode == "I;16"

    def test_a_format_that_cannot_hold_the_translations_is_rejected_before_any_work(
        self, cgkit: Cli, deep: Path, tmp_path: Path
    ) -> None:
        result = cgkit("translate", deep / "run", deep / "a", "--output", tmp_path / "out", "--format", "jpg")
        assert result.code == 2
        assert "JPEG cannot store 3 channels of float32; write tiff or npy" in result.err
        assert not (tmp_path / "out").exists()
        assert cgkit("translate", deep / "run", deep / "a", "--output", tmp_path / "out", "--format", "npy").code == 0
        assert np.load(tmp_path / "out" / "0.npy").dtype == np.float32

    def test_a_model_trained_in_bf16_translates_in_fp32(self, deep: Path, tmp_path: Path) -> None:
        model = shutil.copytree(deep / "run" / "model", tmp_path / "model")
        config = model / "config.json"
        config.write_text(config.read_text().replace('"precision": "fp32"', '"precision": "bf16"'))
        assert '"bf16"' in config.read_text()
        image = torch.rand(1, 16, 16)
        expected, halved = (package.Translator.load(folder, device="cpu") for folder in (deep / "run", model))
        assert halved(image).equal(expected(image))
        assert not package.Translator.load(model, device="cpu", precision="bf16")(image).equal(expected(image))

    def test_samples_and_scores_are_produced(self, cgkit: Cli, deep: Path) -> None:
        assert next((deep / "run" / "samples").glob("*.png")).stat().st_size > 0
        result = cgkit("evaluate", deep / "run", "--metrics", "l1,cycle", "--json")
        assert result.code == 0
        assert {number["name"] for number in result.json["numbers"]} == {"cycle"}
        assert "l1 is not computed: the test images are not aligned" in result.err

    def test_the_run_resumes(self, cgkit: Cli, deep: Path) -> None:
        assert cgkit("run", deep / "spec.toml", "--output", deep / "run", "--set", "train.steps=5").code == 0


def test_a_metric_that_needs_colour_is_skipped_with_a_message(cgkit: Cli, tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        for number in range(4):
            np.save(tmp_path / name / f"{number}.npy", np.random.default_rng(number).random((20, 20, 5), np.float32))
    spec = spec_of(tmp_path, "channels = 5\nrange = [0, 1]")
    spec.write_text(spec.read_text() + '\n[[metric]]\nname = "kid"\n\n[[metric]]\nname = "cycle"\n')
    result = cgkit("run", spec, "--output", tmp_path / "run")
    assert result.code == 0
    assert "kid is not computed: the network takes images with 1 or 3 channels, not 5" in result.err
    assert cgkit("translate", tmp_path / "run", tmp_path / "a", "--output", tmp_path / "out").code == 0
    assert np.load(tmp_path / "out" / "0.npy").shape == (20, 20, 5)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("channels = { a = 1, b = 3 }", "0.tif: contains float32 values, here from -9"),
        (
            "channels = { a = 1, b = 4 }\nrange = { b = [-1000, 3000] }",
            "0.tif: has 3 channels, but its domain has 4",
        ),
        ("channels = { a = 1, b = 3 }\nrange = [0, 9]\ndepth = { a = 'int16', b = 'float32' }", None),
    ],
)
def test_images_that_do_not_fit_are_reported_early(cgkit: Cli, tmp_path: Path, data: str, message: str | None) -> None:
    deep_folders(tmp_path)
    result = cgkit("check", spec_of(tmp_path, data))
    assert result.code == (3 if message else 0)
    assert (message or "") in result.err


def test_a_depth_that_cannot_hold_the_range_is_reported_with_its_line(cgkit: Cli, tmp_path: Path) -> None:
    deep_folders(tmp_path)
    result = cgkit("check", spec_of(tmp_path, "channels = { a = 1, b = 3 }\nrange = [-1000, 3000]"))
    assert result.code == 2
    assert (
        "spec.toml:10: data.range.a: uint16 cannot store data.range, -1000 to 3000, and the files of domain a are"
        in result.err
    )


NAMES = [
    "new\nline.png",
    "\x1b[31mred.png",
    "[bold]x.png",
    "[/b].png",
    os.fsdecode(b"\xff\xfe.png"),
    "n" * 251 + ".png",
    "\u202eright-to-left.png",
    "-leading.png",
    "CON.png",
    "'; rm -rf ~ #.png",
    "a b\tc.png",
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 8-bit colour images."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("names")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", output=folder / "run").folder


class TestNames:
    """Names that break terminals, shells, JSON or other systems work like any others."""

    @pytest.fixture
    def named(self, tmp_path: Path) -> Path:
        folder = tmp_path / "in"
        folder.mkdir()
        for name in NAMES:
            (folder / name).parent.mkdir(exist_ok=True)
            Image.new("RGB", (12, 12), "red").save(folder / "x.png")
            (folder / "x.png").rename(folder / name)
        return folder

    def test_they_are_translated_and_listed(self, cgkit: Cli, trained: Path, named: Path, tmp_path: Path) -> None:
        result = cgkit("translate", trained, named, "--output", tmp_path / "out", "--json")
        assert result.code == 0
        out = tmp_path / "out"
        assert {os.path.relpath(name, out) for name in result.json["written"]} == set(NAMES)
        assert all((out / name).is_file() for name in NAMES)
        again = cgkit("translate", trained, named, "--output", tmp_path / "out", "--json")
        assert len(again.json["skipped"]) == len(NAMES)

    def test_they_are_trained_on(self, cgkit: Cli, named: Path, tmp_path: Path) -> None:
        shutil.copytree(named, tmp_path / "a")
        shutil.copytree(named, tmp_path / "b")
        assert cgkit("run", spec_of(tmp_path, "held_out = 0.2"), "--output", tmp_path / "run").code == 0

    def test_errors_name_them_without_control_characters(
        self, cgkit: Cli, trained: Path, named: Path, tmp_path: Path
    ) -> None:
        for name in NAMES:
            (named / name).write_text("no image")
        result = cgkit("translate", trained, named, "--output", tmp_path / "out")
        assert result.code == 3
        assert "\x1b" not in result.err
        assert "\u202e" not in result.err
        assert "[/b].png" in result.err
        errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == len(NAMES)
        assert all("not an image" in line for line in errors)

    def test_outputs_stay_inside_the_output_folder(self, cgkit: Cli, trained: Path, tmp_path: Path) -> None:
        (tmp_path / "in" / "deep").mkdir(parents=True)
        Image.new("RGB", (12, 12)).save(tmp_path / "in" / "up.png")
        indirect = tmp_path / "in" / "deep" / ".." / "up.png"
        assert cgkit("translate", trained, indirect, "--output", tmp_path / "out").code == 0
        assert (tmp_path / "out" / "up.png").is_file()
        assert cgkit("translate", trained, tmp_path / "in" / "deep" / "..", "--output", tmp_path / "other").code == 0
        assert (tmp_path / "other" / "up.png").is_file()


@pytest.mark.timeout(60)
def test_special_files_named_like_images_do_not_block(cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
    a = image_folder("a", size=(20, 20))
    image_folder("b", size=(20, 20))
    os.mkfifo(a / "fifo.png")
    (a / "loop.png").symlink_to(a / "loop.png")
    (a / "zero.png").symlink_to("/dev/zero")
    (a / "folder.png").mkdir()
    (a / "round").symlink_to(a, target_is_directory=True)
    result = cgkit("check", spec_of(tmp_path, ""))
    assert result.code == 3
    for name in ("fifo.png: not a regular file", "loop.png: cannot be read", "zero.png: not a regular file"):
        assert name in result.err
    assert "folder.png" not in result.err


class TestFewImages:
    def test_an_empty_domain_is_rejected(self, cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
        image_folder("a")
        (tmp_path / "b").mkdir()
        result = cgkit("check", spec_of(tmp_path, ""))
        assert result.code == 3
        assert "b contains no images" in result.err

    def test_one_image_per_domain_trains(self, cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
        image_folder("a", count=1)
        image_folder("b", count=1)
        assert cgkit("run", spec_of(tmp_path, ""), "--output", tmp_path / "run").code == 0

    def test_the_same_folder_twice_fails(self, cgkit: Cli, tmp_path: Path, image_folder: MakeFolder) -> None:
        image_folder("a")
        (tmp_path / "b").symlink_to(tmp_path / "a", target_is_directory=True)
        result = cgkit("check", spec_of(tmp_path, ""))
        assert result.code == 3
        assert "is given for both domains" in result.err

    def test_identical_images_train(self, cgkit: Cli, tmp_path: Path) -> None:
        for name, colour in (("a", "red"), ("b", "blue")):
            (tmp_path / name).mkdir()
            for number in range(3):
                Image.new("RGB", (20, 20), colour).save(tmp_path / name / f"{number}.png")
        assert cgkit("run", spec_of(tmp_path, ""), "--output", tmp_path / "run").code == 0


def test_a_missing_extra_is_named(cgkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep_folders(tmp_path)
    monkeypatch.setitem(sys.modules, "tifffile", None)
    result = cgkit("check", spec_of(tmp_path, "channels = { a = 1, b = 3 }\nrange = { b = [-1000, 3000] }"))
    assert result.code == 3
    assert 'this kind of TIFF needs tifffile; pip install "cgkit[tiff]"' in result.err
