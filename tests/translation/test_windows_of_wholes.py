"""A format that reads and writes windows gets them translated exactly, or with the statistics of some of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import Result

Cli = Callable[..., Result]

GRIDS = '''
import numpy as np
import cgkit
from cgkit.contracts import ImageHeader
from cgkit.errors import DataError

class Grid:
    """A grey image in a .grid file, of which columns that are 0 throughout have no values."""

    suffixes = (".grid",)

    def recognises(self, start):
        return False

    def open(self, stream, reading):
        raise DataError("is a grid, not an image")

    def holds(self, channels, depth, alpha):
        return False

    def write(self, stream, values, *, alpha, carry):
        raise NotImplementedError

    def whole(self, path):
        return path.suffix == ".grid"

    def translate(self, source, target, model, progress):
        with source.open("rb") as stream:
            image = np.load(stream)
        header = ImageHeader(image.shape[1], image.shape[0], 1, "GRID", "uint8", "grey")
        written = np.full(image.shape, 99, np.uint8)
        last = []

        def read(slices):
            last[:] = slices
            return model.to_unit(image[slices][..., None], header)

        def write(slices, translation):
            for own, outer in zip(slices, last):
                assert image.size < 1000 or source.stem == "exact" or outer.start <= own.start < own.stop <= outer.stop
            written[slices] = model.to_values(translation)[..., 0]

        def weigh(slices):
            return float((image[slices] > 0).mean())

        model.translate_windows(read, write, image.shape, progress, weigh)
        with target.open("wb") as stream:
            np.save(stream, written)
        return []

@cgkit.hookimpl
def cgkit_register(registries):
    registries.formats.add("grid", Grid)
'''

FP32 = ("--precision", "fp32")
"""Windows are equal only up to rounding."""


def write_grid(path: Path, image: NDArray[np.uint8]) -> None:
    with path.open("wb") as stream:
        np.save(stream, image)


def read_grid(path: Path) -> NDArray[np.int64]:
    with path.open("rb") as stream:
        return np.load(stream).astype(int)  # type: ignore[no-any-return]


@pytest.fixture
def translate(cgkit: Cli, tiny_spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Translate a grid with limits that are small enough for it: `translate("exact", image)`."""
    (tmp_path / "grids.py").write_text(GRIDS)
    assert cgkit("run", tiny_spec, "--set", "data.channels=1", "--output", tmp_path / "run").code == 0
    monkeypatch.setattr("cgkit.translation.wholes.AT_ONCE", 1000)
    monkeypatch.setattr("cgkit.tiling.sampled_windows.SIDE", 128)
    monkeypatch.setattr("cgkit.tiling.sampled_windows.SAMPLE", 256)

    def call(name: str, image: NDArray[np.uint8], *options: object) -> Result:
        monkeypatch.setattr("cgkit.translation.wholes.EXACT", 10**9 if name == "exact" else 1000)
        write_grid(tmp_path / f"{name}.grid", image)
        arguments = (tmp_path / f"{name}.grid", "--output", tmp_path / "out", *FP32, *options)
        return cgkit("--plugin", tmp_path / "grids.py", "translate", tmp_path / "run", *arguments)

    return call


def test_windows_with_statistics_of_all_equal_the_whole_image(translate: Callable[..., Result], tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(1, 255, (256, 512), dtype=np.uint8)
    for name, options in (("exact", ()), ("sampled", ("--statistics-from", 2))):
        result = translate(name, image, *options)
        assert result.code == 0, result.err
    exact, sampled = (read_grid(tmp_path / "out" / f"{name}.grid") for name in ("exact", "sampled"))
    assert np.abs(exact - sampled).max() <= 1
    assert np.ptp(exact) > 1


def test_statistics_are_those_of_windows_with_values_and_the_others_are_zeros(
    translate: Callable[..., Result], tmp_path: Path
) -> None:
    image = np.random.default_rng(0).integers(1, 255, (256, 1024), dtype=np.uint8)
    image[:, :512] = 0
    for name in ("sampled", "zero"):
        result = translate(name, image if name == "sampled" else image[:, 512:], "--statistics-from", 2)
        assert result.code == 0, result.err
    with_empty, without = (read_grid(tmp_path / "out" / f"{name}.grid") for name in ("sampled", "zero"))
    # Zeros in [0, 1] are the low end of the range.
    assert (with_empty[:, :512] == 0).all()
    assert np.abs(with_empty[:, 640:] - without[:, 128:]).max() <= 1


def test_a_small_image_is_translated_whole(translate: Callable[..., Result], tmp_path: Path) -> None:
    result = translate("small", np.random.default_rng(0).integers(1, 255, (24, 20), dtype=np.uint8))
    assert result.code == 0, result.err
    assert read_grid(tmp_path / "out" / "small.grid").shape == (24, 20)


def test_windows_keep_their_size(translate: Callable[..., Result], tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(1, 255, (256, 512), dtype=np.uint8)
    for name in ("exact", "sampled"):
        result = translate(name, image, "--scale", "0.5", "--size", "scaled")
        assert result.code == 3
        assert f"{name}.grid: is translated in windows" in " ".join(result.err.split())
        assert not (tmp_path / "out" / f"{name}.grid").exists()
