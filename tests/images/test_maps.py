"""Maps: a fourth band is no alpha, and pixels without data are masked in ranges, training and translations."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from cgkit.components.augmentations.resize_and_crop import ResizeAndCrop
from cgkit.contracts import ImageRecord
from cgkit.data.preparation import Preparation
from cgkit.errors import CgkitWarning, DataError
from cgkit.images.admission import inspect_image
from cgkit.images.formats import Carry
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image, read_values
from cgkit.images.writing import write_values
from tests.conftest import Result, load_image
from tests.images.files import noise

Cli = Callable[..., Result]

NODATA, ITEMS = 42113, 42112
PLACE = [
    (33550, "d", 3, (10.0, 10.0, 0.0), True),
    (33922, "d", 6, (0.0, 0.0, 0.0, 399_960.0, 5_900_040.0, 0.0), True),
]


def write_map(path: Path, values: NDArray[np.generic], nodata: str | None = None, **options: object) -> None:
    tags = [*PLACE, *([] if nodata is None else [(NODATA, "s", 0, nodata, True)])]
    tifffile.imwrite(path, values, metadata=None, extratags=tags, **options)  # type: ignore[arg-type]


def read_map(path: Path) -> NDArray[np.generic]:
    return np.asarray(tifffile.imread(path))


def tag(path: Path, code: int) -> object:
    with tifffile.TiffFile(path) as file:
        return file.pages.first.tags.valueof(code)


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_the_fourth_band_of_a_map_is_not_alpha(tmp_path: Path, depth: str) -> None:
    values = noise(6, 7, 4, depth=depth)
    write_map(tmp_path / "x.tif", values, photometric="rgb", extrasamples=["unassalpha"])
    header = inspect_image(tmp_path / "x.tif")
    assert (header.channels, header.layout, header.alpha) == (4, "bands", False)
    unit = read_image(tmp_path / "x.tif", PixelFormat(4)).numpy().transpose(1, 2, 0)
    assert np.abs(unit - values / np.iinfo(values.dtype).max).max() < 1e-6
    with pytest.raises(DataError, match=r"near infrared: set data.channels = 4; if it is transparency, add data.alpha"):
        read_image(tmp_path / "x.tif", PixelFormat(3))
    assert inspect_image(tmp_path / "x.tif", PixelFormat(4, alpha="channel")).alpha


def test_pixels_without_data_become_the_lowest_value(tmp_path: Path) -> None:
    values = np.array([[-32768, 0], [50, 100]], np.int16)
    write_map(tmp_path / "x.tif", values, "-32768")
    unit = read_image(tmp_path / "x.tif", PixelFormat(1, range=(-100, 100), depth="int16"))
    assert unit[0].tolist() == [[0.0, 0.5], [0.75, 1.0]]
    floats = np.array([[np.nan, 0], [50, 100]], np.float32)
    write_map(tmp_path / "y.tif", floats)
    unit = read_image(tmp_path / "y.tif", PixelFormat(1, range=(-100, 100), depth="float32"))
    assert unit[0].tolist() == [[0.0, 0.5], [0.75, 1.0]]


def test_one_channel_with_the_value_is_not_enough(tmp_path: Path) -> None:
    values = np.array([[[0, 0, 0], [200, 0, 0]]], np.uint8)
    write_map(tmp_path / "x.tif", values, "0", photometric="rgb")
    missing = np.array([[True, False]])
    unit = read_image(tmp_path / "x.tif", PixelFormat(3, range=(-255, 255))).numpy()
    assert (unit[0] == 0).tolist() == missing.tolist()


@pytest.mark.parametrize(
    ("depth", "nodata", "written"),
    [("int16", -32768, -32768), ("uint8", 255, 255), ("uint8", -9999, 0), ("float32", -3.4e38, -3.4e38)],
)
def test_pixels_without_data_are_written_back_and_no_others(
    tmp_path: Path, depth: str, nodata: float, written: float
) -> None:
    missing = np.zeros((4, 5, 1), bool)
    missing[1, 2:] = True
    translated = np.full((4, 5, 1), written, np.float64).astype(depth)
    write_map(tmp_path / "x.tif", np.zeros((4, 5), depth), str(nodata))
    carry = read_carry(tmp_path / "x.tif", depth)
    pixels = PixelFormat(1, range=(0, 1), depth=depth)
    write_values(translated, tmp_path / "y.tif", pixels, carry=carry, missing=(missing, nodata))
    values = read_map(tmp_path / "y.tif")
    assert ((values == np.asarray(written).astype(depth)) == missing[..., 0]).all()
    assert float(str(tag(tmp_path / "y.tif", NODATA))) == pytest.approx(written)
    assert tag(tmp_path / "y.tif", 33550) == (10.0, 10.0, 0.0)


def read_carry(path: Path, depth: str) -> Carry | None:
    return read_values(path, PixelFormat(1, range=(0, 1), depth=depth)).carry


def test_a_format_that_cannot_mark_pixels_without_data_warns(tmp_path: Path) -> None:
    missing = np.ones((4, 5, 1), bool)
    with pytest.warns(CgkitWarning, match=r"y.png: its pixels without data are translated like the others"):
        write_values(np.zeros((4, 5, 1), np.uint8), tmp_path / "y.png", PixelFormat(1), missing=(missing, -1.0))
    assert load_image(tmp_path / "y.png").size == (5, 4)


def half_empty(side: int) -> NDArray[np.int16]:
    values = noise(side, side, depth="uint8").astype(np.int16)
    values[:, : side // 2] = -32768
    return values


def test_training_chooses_parts_with_data(tmp_path: Path) -> None:
    write_map(tmp_path / "x.tif", half_empty(64), "-32768")
    record = ImageRecord("x.tif", path=tmp_path / "x.tif")
    pixels = PixelFormat(1, range=(0, 255), depth="int16")
    preparation = Preparation((16, 16), framing=ResizeAndCrop(resize=False))
    empty = [float((preparation.for_training(record, pixels, seed)[0] == 0).float().mean()) for seed in range(40)]
    assert sum(share < 0.05 for share in empty) >= 38
    assert torch.equal(*(preparation.for_training(record, pixels, 3)[0] for _ in range(2)))


def test_init_train_and_translate_mask_them(cgkit: Cli, tmp_path: Path, tiny_text: str) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(6):
            values = half_empty(32) if number % 2 else np.roll(half_empty(32), 16, axis=1)
            write_map(tmp_path / name / f"{number}.tif", values, "-32768")
    spec = tmp_path / "spec.toml"
    assert cgkit("init", tmp_path / "a", tmp_path / "b", "--hours", "0.01", "--output", spec).code == 0
    assert re.search(r"range = { a = \[[0-9], 25[0-9]\], b = \[[0-9], 25[0-9]\] }", spec.read_text())
    small = ("--set", "train.steps=1", "--set", "data.size=32", "--set", "generator.width=4")
    assert cgkit("run", spec, *small, "--output", tmp_path / "run").code == 0
    result = cgkit("translate", tmp_path / "run", tmp_path / "a", "--output", tmp_path / "out")
    assert result.code == 0, result.err
    for file in (tmp_path / "a").iterdir():
        before, after = read_map(file), read_map(tmp_path / "out" / file.name)
        assert ((after == -32768) == (before == -32768)).all()
        assert tag(tmp_path / "out" / file.name, NODATA) == "-32768"


def test_the_meaning_of_bands_and_their_names_are_kept(tmp_path: Path) -> None:
    names = '<GDALMetadata><Item name="DESCRIPTION" sample="3">near infrared</Item></GDALMetadata>'
    tags = [*PLACE, (ITEMS, "s", 0, names, True)]
    values = noise(6, 7, 4, depth="uint8")
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"], "metadata": None}
    tifffile.imwrite(tmp_path / "x.tif", values, extratags=tags, **options)  # type: ignore[arg-type]
    carry = read_values(tmp_path / "x.tif", PixelFormat(4)).carry
    write_values(values, tmp_path / "y.tif", PixelFormat(4), carry=carry)
    assert np.array_equal(read_map(tmp_path / "y.tif"), values)
    for code in (262, 338, 33550, 33922, ITEMS):
        assert tag(tmp_path / "y.tif", code) == tag(tmp_path / "x.tif", code)
