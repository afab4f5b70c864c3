"""Scenes are translated from disk to disk, in windows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cgkit_geo.formats
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from cgkit_geo.datasets import gdal
from numpy.typing import NDArray

from .conftest import facts

Cli = Callable[..., tuple[int, str]]
Model = Callable[..., Path]
Write = Callable[..., Path]
SMOOTH = np.stack([np.add.outer(np.arange(600), np.arange(700)) // 8 % 200 + at for at in (1, 20, 40)]).astype(np.uint8)
FP32 = ("--precision", "fp32")
"""Windows are equal only up to rounding."""

NOISE = np.random.default_rng(0).integers(0, 30, SMOOTH.shape, dtype=np.uint8)

pytestmark = pytest.mark.filterwarnings("always::cgkit.errors.CgkitWarning")


def stored(file: Path) -> NDArray[Any]:
    with gdal(), rasterio.open(file) as dataset:
        return dataset.read()


def limits(monkeypatch: pytest.MonkeyPatch, *, large: int, at_once: int, exact: int) -> None:
    """Let smaller files be scenes."""
    monkeypatch.setattr(cgkit_geo.formats, "LARGE", large)
    monkeypatch.setattr("cgkit.translation.wholes.AT_ONCE", at_once)
    monkeypatch.setattr("cgkit.translation.wholes.EXACT", exact)


@pytest.fixture
def scene(raster: Write, tmp_path: Path) -> Path:
    """A scene of 600 x 700 pixels without values at its left edge, in the folder `in`."""
    values = SMOOTH + NOISE
    values[:, :, :100] = 0

    def say(dataset: Any) -> None:
        dataset.update_tags(SENSOR="MSI")
        dataset.descriptions = ("red", "green", "blue")

    return raster("in/x.tif", values, photometric="RGB", nodata=0, say=say)


def test_windows_give_the_result_of_the_whole_image(
    cgkit: Cli, model: Model, scene: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = model(more='\n[[format]]\nname = "geo"\nfill = 0\n')
    assert cgkit("translate", run, scene, "--output", "image", *FP32)[0] == 0
    limits(monkeypatch, large=1000, at_once=10**9, exact=10**9)
    assert cgkit("translate", run, scene, "--output", "whole", *FP32)[0] == 0
    limits(monkeypatch, large=1000, at_once=1000, exact=10**9)
    assert cgkit("translate", run, scene, "--output", "windows", *FP32)[0] == 0
    whole = stored(Path("whole/x.tif")).astype(int)
    assert np.abs(stored(Path("image/x.tif")).astype(int) - whole).max() <= 1
    assert np.abs(stored(Path("windows/x.tif")).astype(int) - whole).max() <= 1
    assert (whole != stored(scene)).mean() > 0.5
    said = facts(scene)
    assert facts(Path("whole/x.tif")) == facts(Path("windows/x.tif")) == facts(Path("image/x.tif")) == said
    assert np.array_equal((stored(Path("windows/x.tif")) == 0), stored(scene) == 0)


@pytest.mark.parametrize("side", [256, 512])
def test_sampled_windows_do_not_depend_on_where_they_are_cut(
    cgkit: Cli, model: Model, raster: Write, monkeypatch: pytest.MonkeyPatch, side: int
) -> None:
    run = model()
    scene = raster("in/x.tif", np.tile(SMOOTH + NOISE, (1, 2, 2)), photometric="RGB")
    limits(monkeypatch, large=1000, at_once=1000, exact=1000)
    monkeypatch.setattr("cgkit.tiling.sampled_windows.SIDE", side)
    monkeypatch.setattr("cgkit.tiling.sampled_windows.SAMPLE", 1400)  # the same sample each time: everything
    assert cgkit("translate", run, scene, "--output", "out", *FP32)[0] == 0
    monkeypatch.setattr("cgkit.tiling.sampled_windows.SIDE", 1024)
    assert cgkit("translate", run, scene, "--output", "other", *FP32)[0] == 0
    assert cgkit("translate", run, scene, "--output", "exact", "--statistics-from", 0, *FP32)[0] == 0
    windows, other, exact = (stored(Path(folder, "x.tif")).astype(int) for folder in ("out", "other", "exact"))
    assert np.abs(windows - other).max() <= 1
    assert np.abs(windows - exact).max() <= 1


def test_statistics_are_of_windows_that_have_values(
    cgkit: Cli, model: Model, raster: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.zeros((3, 600, 2800), np.uint8)
    values[:, :, 2100:] = SMOOTH + NOISE
    run, scene = model(), raster("in/x.tif", values, photometric="RGB", nodata=0)
    limits(monkeypatch, large=1000, at_once=1000, exact=1000)
    monkeypatch.setattr("cgkit.tiling.sampled_windows.SAMPLE", 700)
    assert cgkit("translate", run, scene, "--output", "out", "--statistics-from", 1, *FP32)[0] == 0
    cut = raster("in/y.tif", values[:, :, 2100:], photometric="RGB")
    assert cgkit("translate", run, cut, "--output", "out", "--statistics-from", 1, *FP32)[0] == 0
    found, expected = (stored(Path("out", name)).astype(int) for name in ("x.tif", "y.tif"))
    assert not found[:, :, :2100].any()
    assert np.abs(found[:, :, 2200:] - expected[:, :, 100:]).max() <= 1


def test_jpeg_2000_and_vrt_are_translated_into_geotiffs_by_any_model(
    cgkit: Cli, model: Model, raster: Write, tmp_path: Path
) -> None:
    run = model(more="")
    plain = raster("in/plain.tif", SMOOTH, photometric="RGB")
    with gdal():
        rasterio.shutil.copy(plain, tmp_path / "in" / "tci.jp2", driver="JP2OpenJPEG", quality=100, reversible="YES")
        rasterio.shutil.copy(plain, tmp_path / "in" / "mosaic.vrt", driver="VRT")
    code, messages = cgkit("translate", run, tmp_path / "in", "--output", "out")
    assert code == 0, messages
    assert sorted(file.name for file in Path("out").glob("[!.]*")) == ["mosaic.tif", "plain.tif", "tci.tif"]
    for name in ("mosaic.tif", "tci.tif"):
        said, expected = facts(Path("out", name)), facts(plain)
        assert (said["crs"], said["transform"]) == (expected["crs"], expected["transform"])
    assert np.array_equal(stored(Path("out/mosaic.tif")), stored(Path("out/tci.tif")))


def test_a_mask_and_an_alpha_band_are_kept(
    cgkit: Cli, model: Model, raster: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = model()
    mask = np.ones(SMOOTH.shape[1:], bool)
    mask[:, :100] = False
    masked = raster("in/masked.tif", SMOOTH, photometric="RGB", mask=mask)
    with_alpha = np.concatenate([SMOOTH, mask[None].astype(np.uint8) * 255])
    clear = raster("in/alpha.tif", with_alpha, photometric="RGB", alpha="YES")
    limits(monkeypatch, large=1000, at_once=1000, exact=1000)
    code, messages = cgkit("translate", run, masked, clear, "--output", "out")
    assert code == 0, messages
    for source in (masked, clear):
        target = Path("out", source.name)
        assert facts(target) == facts(source)
        assert np.array_equal(stored(target)[:, :, :100], stored(source)[:, :, :100])
        with gdal(), rasterio.open(target) as dataset:
            assert np.array_equal(dataset.dataset_mask() > 0, mask)
            assert dataset.overviews(1) == [2, 4]
    assert np.array_equal(stored(Path("out/alpha.tif"))[3], with_alpha[3])


def test_near_infrared_and_floats_are_translated(
    cgkit: Cli, model: Model, raster: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = model(channels=4, depth="float32", span="[0, 1000]")
    values = np.concatenate([SMOOTH, NOISE[:1]]).astype("float32")
    values[:, :100] = np.nan
    scene = raster("in/x.tif", values, meanings="red green blue nir", compress="zstd")
    limits(monkeypatch, large=1000, at_once=1000, exact=1000)
    code, messages = cgkit("translate", run, scene, "--output", "out")
    assert code == 0, messages
    assert facts(Path("out/x.tif")) == facts(scene)
    assert np.array_equal(np.isnan(stored(Path("out/x.tif"))), np.isnan(values))


def test_bands_of_another_type_say_what_is_lost(
    cgkit: Cli, model: Model, raster: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = model()
    values = np.full((600, 700), 100, np.int16)
    values[:50] = -9999
    scene = raster("in/x.tif", values, nodata=-9999)
    limits(monkeypatch, large=1000, at_once=1000, exact=10**9)
    code, messages = cgkit("translate", run, scene, "--output", "out")
    assert code == 0, messages
    assert "uint8 cannot hold its nodata value -9999; a mask marks these pixels instead" in messages
    with gdal(), rasterio.open("out/x.tif") as dataset:
        assert np.array_equal(dataset.dataset_mask() > 0, values != -9999)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--output", "x.png"), "ends in .tif"),
        (("--output", "out", "--scale", "0.5"), "only at its own scale"),
        (("--output", "out", "--statistics-from", "4", "--size", "scaled", "--scale", "0.5"), "own scale"),
    ],
)
def test_what_a_scene_cannot_be_is_refused(
    cgkit: Cli, model: Model, scene: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], reason: str
) -> None:
    run = model()
    limits(monkeypatch, large=1000, at_once=1000, exact=10**9)
    code, messages = cgkit("translate", run, scene, *arguments)
    assert code == 3
    assert reason in messages
    assert not [file for file in Path().rglob("*.tif") if "out" in file.parts]


def test_a_damaged_scene_leaves_nothing(cgkit: Cli, model: Model, scene: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = model()
    limits(monkeypatch, large=1000, at_once=1000, exact=1000)
    scene.write_bytes(scene.read_bytes()[:-200_000])
    code, messages = cgkit("translate", run, scene, "--output", "out")
    assert code == 3, messages
    assert "x.tif: damaged" in messages
    assert not [file for file in Path("out").rglob("*") if "tif" in file.name]


MEASURE = """
import resource, sys
import torch
torch.set_num_threads(1)
from cgkit.cli import main
from rasterio import _env
import cgkit.translation.files, cgkit_geo.scenes
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    main(["translate", *sys.argv[1:]])
except SystemExit as stop:
    assert not stop.code, stop.code
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_scene(cgkit: Cli, model: Model, tmp_path: Path) -> None:
    """A scene of 81 million pixels, which would take a gigabyte as floats, takes less than half of that."""
    run = model()
    profile = {"driver": "GTiff", "width": 9000, "height": 9000, "count": 3, "dtype": "uint8", "nodata": 0}
    tiled = {"tiled": True, "compress": "deflate", "photometric": "RGB", "sparse_ok": True}
    with gdal(), rasterio.open(tmp_path / "large.tif", "w", **profile, **tiled) as dataset:
        dataset.write(SMOOTH, window=((4000, 4600), (4000, 4700)))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, run, tmp_path / "large.tif", "--output", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.splitlines()[-1]) < 500_000, "kilobytes"
    with gdal(), rasterio.open(tmp_path / "out" / "large.tif") as dataset:
        assert dataset.shape == (9000, 9000)
        assert dataset.overviews(1) == [2, 4, 8, 16, 32, 64]
        window = dataset.read(window=((3900, 4700), (3900, 4800)))
    assert np.array_equal(window[:, 100:700, 100:800] != 0, np.ones(SMOOTH.shape, bool))
    assert not window[:, :100].any()
