"""What is read of a geographic file, and which files are refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.shutil
from cgkit_geo.datasets import gdal
from cgkit_geo.formats import Geo, Scene

from cgkit.contracts import Reading
from cgkit.errors import DataError

from .conftest import read

Write = Callable[..., Path]
DRAWS = np.random.default_rng(0)
GREY = DRAWS.integers(1, 200, (40, 50), dtype=np.uint8)
COLOUR = DRAWS.integers(1, 200, (3, 40, 50), dtype=np.uint8)
FOUR = DRAWS.integers(1, 200, (4, 40, 50), dtype=np.uint8)
SMOOTH = np.stack([np.add.outer(np.arange(600), np.arange(700)) // 8 % 200 + at for at in (0, 20, 40)]).astype(np.uint8)
NAN = float("nan")
RGB = "red green blue"


def last(values: Any) -> Any:
    return values.transpose(1, 2, 0)


def test_colour_interpretation_says_what_the_bands_mean(raster: Write) -> None:
    assert read(raster("grey.tif", GREY))[0].layout == "grey"
    assert read(raster("rgb.tif", COLOUR, photometric="RGB"))[0].layout == "colour"
    assert read(raster("bands.tif", COLOUR))[0].layout == "bands"


@pytest.mark.parametrize("depth", ["uint8", "uint16", "int16", "uint32", "int32", "float32", "float64", "int8"])
def test_every_type_is_read_bit_for_bit(raster: Write, depth: str) -> None:
    header, values = read(raster("x.tif", FOUR.astype(depth)))
    assert (header.width, header.height, header.channels, header.depth) == (50, 40, 4, depth)
    assert (values.dtype, header.alpha) == (np.dtype(depth), False)
    assert np.array_equal(values, last(FOUR.astype(depth)))


def test_near_infrared_is_a_band(raster: Write) -> None:
    header, values = read(raster("x.tif", FOUR, photometric="RGB", alpha="UNSPECIFIED", meanings=f"{RGB} nir"))
    assert (header.channels, header.alpha, header.layout) == (4, False, "bands")
    assert np.array_equal(values, last(FOUR))


def test_near_infrared_that_is_tagged_as_alpha_is_a_band_by_its_name(raster: Write) -> None:
    def name(dataset: Any) -> None:
        dataset.set_band_description(4, "NIR")

    assert read(raster("x.tif", FOUR, meanings=f"{RGB} alpha", say=name))[0].channels == 4


def test_an_alpha_band_that_looks_like_a_picture_is_a_question(raster: Write) -> None:
    file = raster("x.tif", FOUR, meanings=f"{RGB} alpha")
    with pytest.raises(DataError, match="band 4 that is tagged as alpha, but looks like a picture"):
        read(file)
    assert read(file, alpha=False)[0].channels == 4
    assert read(file, alpha=True)[0].channels == 3
    assert np.array_equal(read(file, bands=(1, 2, 3, 4))[1], last(FOUR))


def test_alpha_says_which_pixels_have_values_or_is_a_channel(raster: Write) -> None:
    alpha = np.full((1, 40, 50), 255, np.uint8)
    alpha[:, :10] = 0
    file = raster("x.tif", np.concatenate([COLOUR, alpha]), meanings=f"{RGB} alpha")
    header, values = read(file)
    assert (header.channels, header.alpha, header.layout) == (3, False, "colour")
    assert (values[:10] == 0).all()
    header, values = read(file, alpha_of=4)
    assert (header.channels, header.alpha) == (4, True)
    assert np.array_equal(values, last(np.concatenate([COLOUR, alpha])))


@pytest.mark.parametrize(("depth", "nodata"), [("uint8", 0), ("int16", -32768), ("float32", -9999), ("float32", NAN)])
def test_nodata_is_read_as_the_lowest_value_of_the_type(raster: Write, depth: str, nodata: float) -> None:
    stored = GREY.astype(depth)
    stored[:10] = nodata
    _, values = read(raster("x.tif", stored, nodata=nodata))
    assert (values[:10] == {"uint8": 0, "int16": -32768, "float32": np.finfo("float32").min}[depth]).all()
    assert np.array_equal(values[10:, :, 0], stored[10:])


def test_nan_and_infinity_are_nodata_without_being_declared(raster: Write) -> None:
    stored = GREY.astype("float32")
    stored[0, 0], stored[0, 1] = np.nan, np.inf
    _, values = read(raster("x.tif", stored), fill=-5)
    assert (values[0, :2] == -5).all()


def test_a_mask_in_the_file_or_next_to_it_marks_nodata(raster: Write) -> None:
    mask = np.ones((40, 50), bool)
    mask[:, :5] = False
    inside = raster("inside.tif", COLOUR, mask=mask, photometric="RGB")
    assert (read(inside, fill=7)[1][:, :5] == 7).all()
    with gdal(GDAL_TIFF_INTERNAL_MASK="NO"):
        outside = raster("outside.tif", COLOUR, photometric="RGB")
        with rasterio.open(outside, "r+") as dataset, rasterio.Env(GDAL_TIFF_INTERNAL_MASK="NO"):
            dataset.write_mask(mask)
    assert (outside.parent / "outside.tif.msk").exists()
    assert (read(outside, fill=7)[1][:, :5] == 7).all()


def test_bands_are_chosen_in_any_order(raster: Write) -> None:
    header, values = read(raster("x.tif", FOUR), bands=(4, 1))
    assert header.channels == 2
    assert np.array_equal(values, last(FOUR[[3, 0]]))
    blue_first = raster("bgr.tif", COLOUR, meanings="blue green red")
    assert read(blue_first, bands=(3, 2, 1))[0].layout == "colour"
    with pytest.raises(DataError, match="has 3 bands, so there is no band 4"):
        read(blue_first, bands=(4,))


@pytest.mark.parametrize(
    ("compression", "difference"), [("jpeg", 12), ("webp", 20), ("lerc", 0), ("zstd", 0), ("deflate", 0), ("lzw", 0)]
)
def test_cogs_of_every_compression_are_read(raster: Write, tmp_path: Path, compression: str, difference: int) -> None:
    plain = raster("plain.tif", SMOOTH, photometric="RGB", overviews=(2,))
    with gdal():
        rasterio.shutil.copy(plain, tmp_path / "cog.tif", driver="COG", compress=compression, blocksize=256)
    header, values = read(tmp_path / "cog.tif")
    assert (header.layout, header.width, header.height) == ("colour", 700, 600)
    assert np.abs(values.astype(int) - last(SMOOTH)).max() <= difference


def test_an_overview_is_read_in_place_of_the_image(raster: Write) -> None:
    file = raster("x.tif", SMOOTH, photometric="RGB", overviews=(2, 4))
    assert read(file, overview=1)[0].width == 175
    with pytest.raises(DataError, match="has 2 overviews, so there is no overview 2"):
        read(file, overview=2)


def test_jpeg_2000_is_read_bit_for_bit(raster: Write, tmp_path: Path) -> None:
    stored = (SMOOTH[0].astype(np.uint16) * 40)[None]
    plain = raster("plain.tif", stored)
    with gdal():
        rasterio.shutil.copy(plain, tmp_path / "x.jp2", driver="JP2OpenJPEG", quality=100, reversible="YES")
    with (tmp_path / "x.jp2").open("rb") as stream:
        image = Scene().open(stream, Reading())
        assert (image.header.depth, image.header.layout) == ("uint16", "grey")
        assert np.array_equal(image.decode(), last(stored))


def test_a_file_in_memory_is_read(raster: Write) -> None:
    file = raster("x.tif", COLOUR, photometric="RGB")
    image = Geo().open(io.BytesIO(file.read_bytes()), Reading())
    assert np.array_equal(image.decode(), last(COLOUR))


def test_what_is_no_image_is_refused_with_a_sentence(raster: Write) -> None:
    def colour(dataset: Any) -> None:
        dataset.write_colormap(1, {0: (0, 0, 0), 1: (255, 0, 0)})

    with pytest.raises(DataError, match="has complex64 values"):
        read(raster("sar.tif", GREY.astype(np.complex64)))
    with pytest.raises(DataError, match="has a palette"):
        read(raster("classes.tif", GREY, say=colour))
    with pytest.raises(DataError, match="several pages"):
        Geo().open(io.BytesIO(raster("x.tif", GREY).read_bytes()), Reading(pages=True))


@pytest.mark.parametrize("options", [{"bands": ()}, {"bands": (0,)}, {"overview": -1}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="are numbered from"):
        Geo(**options)
