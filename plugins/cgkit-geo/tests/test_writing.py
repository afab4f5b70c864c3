"""A translation of a small image says what its source says, and has no values where the source has none."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from cgkit_geo.datasets import gdal
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.rpc import RPC
from rasterio.transform import Affine

from cgkit.errors import CgkitWarning

from .conftest import copy, facts

Write = Callable[..., Path]
DRAWS = np.random.default_rng(0)
GREY = DRAWS.integers(1, 200, (40, 50), dtype=np.uint8)
FOUR = DRAWS.integers(1, 200, (4, 40, 50), dtype=np.uint8)
RGB = "red green blue"


def stored(file: Path) -> NDArray[Any]:
    with gdal(), rasterio.open(file) as dataset:
        return dataset.read()


def lighter(values: NDArray[Any]) -> NDArray[Any]:
    return values + values.dtype.type(20)


def describe(dataset: Any) -> None:
    dataset.descriptions = ("red", "green", "blue", "near infrared")
    dataset.units = ("1", "1", "1", "1")
    dataset.scales, dataset.offsets = (0.0001,) * 4, (-0.1,) * 4
    dataset.update_tags(SENSOR="MSI", AREA_OR_POINT="Point", TIFFTAG_SOFTWARE="a mapper's")
    dataset.update_tags(ns="IMAGERY", CLOUDCOVER="12")
    dataset.update_tags(4, WAVELENGTH="842")


def test_all_that_is_said_besides_the_pixels_is_kept(raster: Write, tmp_path: Path) -> None:
    source = raster("x.tif", FOUR, meanings=f"{RGB} nir", say=describe, nodata=0)
    assert facts(source)["colorinterp"][3].name == "nir"
    target = copy(source, tmp_path / "y.tif", lighter)
    assert facts(target) == facts(source)
    assert facts(target)["band tags"][3]["WAVELENGTH"] == "842"
    with gdal(), rasterio.open(target) as dataset:
        assert dataset.tags(ns="IMAGERY") == {"CLOUDCOVER": "12"}
    assert np.array_equal(stored(target), FOUR + 20)


POINTS = [GroundControlPoint(row, col, x=4 + col / 100, y=52 - row / 100) for row in (0, 39) for col in (0, 49)]
COEFFICIENTS = [1.0, *[0.001] * 19]
RPCS = RPC(
    height_off=50.0,
    height_scale=10.0,
    lat_off=52.0,
    lat_scale=1.0,
    line_den_coeff=COEFFICIENTS,
    line_num_coeff=COEFFICIENTS,
    line_off=20.0,
    line_scale=20.0,
    long_off=4.0,
    long_scale=1.0,
    samp_den_coeff=COEFFICIENTS,
    samp_num_coeff=COEFFICIENTS,
    samp_off=25.0,
    samp_scale=25.0,
    err_bias=0.5,
    err_rand=0.5,
)
PLACES: dict[str, dict[str, Any]] = {
    "rotated": {"transform": Affine(8, 6, 600_000, 6, -8, 5_700_000)},
    "no crs": {"crs": None},
    "no place": {"crs": None, "transform": Affine.identity()},
    "points": {"crs": None, "transform": Affine.identity(), "gcps": (POINTS, "EPSG:4326")},
    "rpcs": {"crs": None, "transform": Affine.identity(), "rpcs": RPCS},
    "local crs": {"crs": "+proj=laea +lat_0=52 +lon_0=10 +x_0=5 +y_0=7 +ellps=bessel +units=m"},
}


@pytest.mark.parametrize("name", PLACES)
def test_every_kind_of_place_on_earth_is_kept(raster: Write, tmp_path: Path, name: str) -> None:
    profile = dict(PLACES[name])
    points, rpcs = profile.pop("gcps", None), profile.pop("rpcs", None)

    def say(dataset: Any) -> None:
        if points is not None:
            dataset.gcps = points
        if rpcs is not None:
            dataset.rpcs = rpcs

    source = raster("x.tif", GREY, say=say, **profile)
    said = facts(copy(source, tmp_path / "y.tif", lighter))
    assert said == facts(source)
    assert bool(said["points"][0]) == (points is not None)
    assert bool(said["rpcs"]) == (rpcs is not None)


@pytest.mark.parametrize(
    ("depth", "nodata"), [("uint8", 0), ("uint8", 255), ("int16", -32768), ("float32", -3.4e38), ("float32", np.nan)]
)
def test_nodata_is_written_back_bit_for_bit(raster: Write, tmp_path: Path, depth: str, nodata: float) -> None:
    values = FOUR.astype(depth)
    values[:, :10] = nodata
    source = raster("x.tif", values, nodata=nodata)
    target = copy(source, tmp_path / "y.tif", lighter)
    assert stored(target)[:, :10].tobytes() == values[:, :10].tobytes()
    assert np.array_equal(stored(target)[:, 10:], (FOUR[:, 10:] + 20).astype(depth))
    with gdal(), rasterio.open(target) as after:
        assert np.array_equal(after.nodata, facts(source)["nodata"], equal_nan=True)


def test_a_value_that_happens_to_be_nodata_stays_valid(raster: Write, tmp_path: Path) -> None:
    values = GREY.copy()
    values[:10] = 0
    target = copy(raster("x.tif", values, nodata=0), tmp_path / "y.tif", lambda image: image * np.uint8(0))
    assert np.array_equal(stored(target)[0] == 0, values == 0)
    assert (stored(target)[0, 10:] == 1).all()


def test_nan_that_is_not_declared_is_written_back(raster: Write, tmp_path: Path) -> None:
    values = GREY.astype("float32")
    values[0, :7] = np.nan
    target = copy(raster("x.tif", values), tmp_path / "y.tif", lighter)
    assert np.isnan(stored(target)[0, 0, :7]).all()
    assert np.isfinite(stored(target)).sum() == values.size - 7


def test_a_mask_marks_nan_in_types_without_it(raster: Write, tmp_path: Path) -> None:
    values = GREY.astype("float32")
    values[0, :7] = np.nan
    target = copy(raster("x.tif", values), tmp_path / "y.tif", lambda image: image.clip(0, 255).astype(np.uint8))
    with gdal(), rasterio.open(target) as dataset:
        assert np.array_equal(dataset.dataset_mask() > 0, np.isfinite(values))


def test_a_mask_is_kept(raster: Write, tmp_path: Path) -> None:
    mask = np.ones((40, 50), bool)
    mask[:, :5] = False
    target = copy(raster("x.tif", FOUR, mask=mask), tmp_path / "y.tif", lighter)
    with gdal(), rasterio.open(target) as dataset:
        assert np.array_equal(dataset.dataset_mask() > 0, mask)
    assert np.array_equal(stored(target)[:, :, :5], FOUR[:, :, :5])


@pytest.mark.parametrize("colours", [1, 3, 4])
def test_an_alpha_band_is_kept(raster: Write, tmp_path: Path, colours: int) -> None:
    alpha = np.full((1, 40, 50), 255, np.uint8)
    alpha[:, :10], alpha[:, 11, :5] = 0, 100
    meanings = {1: "gray", 3: RGB, 4: f"{RGB} nir"}[colours]
    values = np.concatenate([FOUR[:colours], alpha])
    kind = {"photometric": "RGB" if colours > 1 else "MINISBLACK"}
    source = raster("x.tif", values, meanings=f"{meanings} alpha", **kind)
    target = copy(source, tmp_path / "y.tif", lighter)
    assert facts(target) == facts(source)
    assert np.array_equal(stored(target)[-1], alpha[0])
    assert np.array_equal(stored(target)[:-1, :10], values[:-1, :10])
    assert np.array_equal(stored(target)[:-1, 10:], values[:-1, 10:] + 20)
    wider = copy(source, tmp_path / "z.tif", lambda image: image.astype(np.uint16))
    assert np.array_equal(stored(wider)[-1][:11], alpha[0][:11].astype(np.uint16) * 257)


@pytest.mark.filterwarnings("always::cgkit.errors.CgkitWarning")
def test_what_other_bands_and_types_cannot_keep_is_said(raster: Write, tmp_path: Path) -> None:
    values = FOUR.astype(np.int16)
    values[:, :10] = -9999
    source = raster("x.tif", values, nodata=-9999, say=describe)
    with pytest.warns(CgkitWarning) as warned:
        target = copy(source, tmp_path / "y.tif", lambda image: image[..., :3].astype(np.uint8))
    sentences = " ".join(str(warning.message) for warning in warned)
    assert "descriptions, units and colours of its 4 bands are not written, since the translation has 3" in sentences
    assert "uint8 cannot hold its nodata value -9999; a mask marks these pixels instead" in sentences
    with gdal(), rasterio.open(target) as dataset:
        assert dataset.nodata is None
        assert np.array_equal(dataset.dataset_mask()[10:] > 0, np.ones((30, 50)))
        assert not dataset.dataset_mask()[:10].any()
        assert dataset.colorinterp[0].name == "red"


def test_nothing_is_said_if_everything_is_kept(raster: Write, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        copy(raster("x.tif", FOUR, say=describe), tmp_path / "y.tif")


@pytest.mark.parametrize("compression", ["zstd", "deflate", "lzw", "jpeg"])
def test_compression_without_loss_is_kept(raster: Write, tmp_path: Path, compression: str) -> None:
    source = raster("x.tif", FOUR[:3], photometric="RGB", compress=compression)
    with gdal(), rasterio.open(copy(source, tmp_path / "y.tif")) as dataset:
        assert dataset.compression.name == compression.replace("jpeg", "deflate")


def test_overviews_are_made_again_and_a_cog_stays_one(raster: Write, tmp_path: Path) -> None:
    values = np.tile(FOUR[:3], (1, 20, 15))
    source = raster("x.tif", values, photometric="RGB", overviews=(2, 4), nodata=0)
    with gdal():
        rasterio.shutil.copy(source, tmp_path / "cog.tif", driver="COG", compress="deflate")
    for name, layout in (("x.tif", None), ("cog.tif", "COG")):
        target = copy(tmp_path / name, tmp_path / f"new-{name}", lighter)
        assert np.array_equal(stored(target), values + 20)
        with gdal(), rasterio.open(target) as dataset, rasterio.open(tmp_path / name) as before:
            assert dataset.tags(ns="IMAGE_STRUCTURE").get("LAYOUT") == layout
            assert dataset.overviews(1) == [2, 4]
            assert (dataset.crs, dataset.transform, dataset.nodata) == (before.crs, before.transform, 0)
        assert not list(tmp_path.glob("*.part.tif"))


def test_an_overview_has_its_own_transform(raster: Write, tmp_path: Path) -> None:
    from cgkit_geo.formats import Geo

    from cgkit.contracts import Reading

    source = raster("x.tif", np.tile(FOUR[:3], (1, 4, 4)), photometric="RGB", overviews=(2,))
    with source.open("rb") as stream, (tmp_path / "y.tif").open("w+b") as written:
        image = Geo(overview=0).open(stream, Reading())
        assert image.carry is not None
        Geo().write(written, image.decode(), alpha=False, carry=image.carry())
    assert facts(tmp_path / "y.tif")["transform"] == Affine(20, 0, 600_000, 0, -20, 5_700_000)
