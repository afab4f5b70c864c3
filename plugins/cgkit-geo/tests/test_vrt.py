"""A virtual raster may only refer to local files next to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cgkit_geo.formats import Scene

from cgkit.contracts import Reading
from cgkit.errors import DataError

Write = Callable[..., Path]
GREY = np.random.default_rng(0).integers(1, 200, (20, 30), dtype=np.uint8)

BAND = """<VRTRasterBand dataType="Byte" band="{number}"{extra}>
  <SimpleSource><SourceFilename relativeToVRT="{relative}">{name}</SourceFilename><SourceBand>1</SourceBand>
  <SrcRect xOff="0" yOff="0" xSize="30" ySize="20"/><DstRect xOff="0" yOff="0" xSize="30" ySize="20"/></SimpleSource>
</VRTRasterBand>"""


def vrt(file: Path, *names: str, relative: int = 1, extra: str = "", start: str = "") -> Path:
    bands = "".join(
        BAND.format(number=number, name=name, relative=relative, extra=extra)
        for number, name in enumerate(names, start=1)
    )
    file.write_text(f'{start}<VRTDataset rasterXSize="30" rasterYSize="20"{""}>{bands}</VRTDataset>')
    return file


def read(file: Path) -> np.ndarray:
    with file.open("rb") as stream:
        return Scene().open(stream, Reading()).decode()


def test_bands_in_files_of_their_own_are_stacked(raster: Write, tmp_path: Path) -> None:
    raster("red.tif", GREY)
    raster("bands/nir.tif", GREY // 2)
    vrt(tmp_path / "inner.vrt", "bands/nir.tif")
    values = read(vrt(tmp_path / "x.vrt", "red.tif", "inner.vrt"))
    assert np.array_equal(values, np.stack([GREY, GREY // 2], axis=-1))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/vsicurl/https://example.org/x.tif", "no relative path"),
        ("https://example.org/x.tif", "no relative path"),
        ("/etc/passwd", "no relative path"),
        ("missing.tif", "does not exist"),
        ("vsicurl/x.tif", "does not exist"),
        ("notes.txt", "no TIFF, JPEG 2000 or VRT file"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(DataError, match=reason):
        read(vrt(tmp_path / "x.vrt", name))


def test_a_name_that_is_not_declared_relative_is_refused(raster: Write, tmp_path: Path) -> None:
    raster("red.tif", GREY)
    with pytest.raises(DataError, match=r"refers to red.tif, which is no relative path; make it with gdalbuildvrt"):
        read(vrt(tmp_path / "x.vrt", "red.tif", relative=0))


def test_a_raster_that_computes_its_pixels_is_refused(raster: Write, tmp_path: Path) -> None:
    raster("red.tif", GREY)
    with pytest.raises(DataError, match="computes its pixels"):
        read(vrt(tmp_path / "x.vrt", "red.tif", extra=' subClass="VRTDerivedRasterBand"'))


def test_entities_and_endless_nesting_are_refused(raster: Write, tmp_path: Path) -> None:
    raster("red.tif", GREY)
    with pytest.raises(DataError, match="document type"):
        read(vrt(tmp_path / "x.vrt", "red.tif", start='<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "a">]>'))
    with pytest.raises(DataError, match="nested more than 4 deep"):
        read(vrt(tmp_path / "x.vrt", "x.vrt"))
