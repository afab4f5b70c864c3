"""What `cgkit translate` says of metadata that a translation keeps, and of those that it cannot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from cgkit.runs.start import run
from tests.conftest import TINY, Result, load_image

Cli = Callable[..., Result]

pytestmark = pytest.mark.filterwarnings("always::cgkit.errors.CgkitWarning")
"""Warnings are printed, as they are outside of tests."""

TAKEN, SCALE = 306, 33550
DATE = "2024:05:06 07:08:09"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 8-bit colour images."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", output=folder / "run").folder


def photograph(file: Path) -> Path:
    exif = Image.Exif()
    exif[TAKEN] = DATE
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(file, exif=exif, dpi=(300, 300))
    return file


def test_a_photograph_of_another_size_keeps_its_date(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    photo = photograph(tmp_path / "x.jpg")
    result = cgkit("translate", trained, photo, "--output", tmp_path / "y.jpg", "--max-side", 32)
    assert "another size" not in result.err
    written = load_image(tmp_path / "y.jpg")
    assert (written.size, written.getexif()[TAKEN]) == ((32, 32), DATE)
    assert written.info.get("dpi") != (300, 300)


def test_a_map_of_another_size_says_that_it_loses_its_georeference(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    extra = [(SCALE, "d", 3, (10.0, 10.0, 0.0), True)]
    values = np.zeros((64, 64, 3), np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb", metadata=None, extratags=extra)
    result = cgkit("translate", trained, tmp_path / "x.tif", "--output", tmp_path / "y.tif", "--max-side", 32)
    assert "x.tif: the translation has another size, for which its georeference" in result.err
    with tifffile.TiffFile(tmp_path / "y.tif") as file:
        assert SCALE not in file.pages[0].tags


def test_a_format_without_metadata_says_what_it_loses_once(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg"):
        photograph(tmp_path / "in" / name)
    result = cgkit("translate", trained, tmp_path / "in", "--output", tmp_path / "out", "--format", "ppm")
    assert result.err.count("a translation to NETPBM loses what its .jpg file says besides its pixels") == 1
    dropped = cgkit(
        *("translate", trained, tmp_path / "in", "--output", tmp_path / "new", "--format", "ppm", "--metadata", "drop")
    )
    assert "loses" not in dropped.err
