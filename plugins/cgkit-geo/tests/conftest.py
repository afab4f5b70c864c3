"""GeoTIFFs, made by rasterio, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from cgkit_geo.datasets import gdal
from cgkit_geo.formats import Geo
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.transform import Affine

from cgkit.cli import main
from cgkit.contracts import ImageHeader, Reading

Cli = Callable[..., tuple[int, str]]
Write = Callable[..., Path]

SPEC = """
name = "tiny"

[data]
source = "folder"
a = "a"
b = "b"
channels = CHANNELS
range = RANGE
size = 16
workers = 1

[generator]
name = "resnet"
width = 4
blocks = 1

[discriminator]
name = "patch"
width = 4
layers = 1

[train]
steps = 1

[samples]
count = 1
"""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def raster(tmp_path: Path) -> Write:
    """Write a raster: `raster(name, values, nodata=0, ...)`; values are `(H, W)` or `(bands, H, W)`.

    `meanings`, `mask`, `overviews` and `say`, a function that is called with the open dataset, are optional.
    """

    def write(
        name: str,
        values: NDArray[Any],
        *,
        meanings: str = "",
        mask: NDArray[Any] | None = None,
        overviews: tuple[int, ...] = (),
        say: Callable[[Any], None] = lambda dataset: None,
        **profile: Any,
    ) -> Path:
        bands = values if values.ndim == 3 else values[None]
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shape = {"count": len(bands), "height": bands.shape[1], "width": bands.shape[2], "dtype": bands.dtype.name}
        shape["photometric"] = "MINISBLACK"
        with gdal(), rasterio.open(file, "w", **{"driver": "GTiff", **PLACE, **shape, **profile}) as dataset:
            if meanings:
                dataset.colorinterp = [ColorInterp[meaning] for meaning in meanings.split()]
            say(dataset)
            dataset.write(bands)
            if mask is not None:
                dataset.write_mask(mask)
        if overviews:
            with gdal(), rasterio.open(file, "r+") as dataset:
                dataset.build_overviews(list(overviews))
        return file

    return write


PLACE: dict[str, Any] = {"crs": "EPSG:32631", "transform": Affine(10, 0, 600_000, 0, -10, 5_700_000)}
"""A place in the Netherlands, with pixels of 10 m."""


def read(file: Path, alpha_of: int | None = None, **options: Any) -> tuple[ImageHeader, NDArray[Any]]:
    """Read a file as the format `geo` does, with these options."""
    with file.open("rb") as stream:
        image = Geo(**options).open(stream, Reading(alpha_of=alpha_of))
        return image.header, image.decode()


def copy(source: Path, target: Path, change: Callable[[NDArray[Any]], NDArray[Any]] = lambda values: values) -> Path:
    """Read a file and write its values, or others, with what the file says besides them."""
    with source.open("rb") as stream, target.open("w+b") as written:
        image = Geo().open(stream, Reading())
        values = change(image.decode())
        Geo().write(written, values, alpha=False, carry=image.carry() if image.carry else None)
    return target


def facts(file: Path) -> dict[str, Any]:
    """Return everything that a file says besides its pixels."""
    with gdal(), rasterio.open(file) as dataset:
        names = ("crs", "transform", "nodata", "descriptions", "colorinterp", "units", "scales", "offsets")
        said = {name: getattr(dataset, name) for name in names}
        points, crs = dataset.gcps
        said["points"] = [(point.row, point.col, point.x, point.y) for point in points], crs
        said["rpcs"] = dataset.rpcs and dataset.rpcs.to_gdal()
        said["tags"] = dataset.tags()
        said["band tags"] = [dataset.tags(number) for number in dataset.indexes]
        return said


@pytest.fixture
def cgkit(capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line, in this process: `cgkit("run", spec)` returns its exit code and messages."""

    def call(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return int(stop.value.code or 0), capsys.readouterr().err

    return call


@pytest.fixture
def model(cgkit: Cli, raster: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Train a tiny model: `model(channels=3, depth="uint8", range="...", more="...")` returns its run folder."""

    def train(channels: int = 3, depth: str = "uint8", span: str = "[0, 255]", more: str = GEO) -> Path:
        monkeypatch.chdir(tmp_path)
        for folder in ("a", "b"):
            for number in range(3):
                values = np.random.default_rng(number).integers(0, 255, (channels, 20, 24)).astype(depth)
                colours = {"photometric": "RGB"} if channels == 3 else {}
                raster(f"{folder}/{number}.tif", values, **colours)
        text = SPEC.replace("CHANNELS", str(channels)).replace("RANGE", span) + more
        (tmp_path / "spec.toml").write_text(text)
        code, messages = cgkit("run", "spec.toml", "--output", "run")
        assert code == 0, messages
        return tmp_path / "run"

    return train


GEO = '\n[[format]]\nname = "geo"\n'
