"""TIFF of any depth, number of bands and layout is read as another library wrote it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from cgkit.errors import DataError
from cgkit.images.admission import inspect_image
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image
from tests.images.files import noise, tiff

NAME = "x.tif"
WHOLE = {"uint8": None, "uint16": None, "float32": (-1000.0, 3000.0), "float64": (-1000.0, 3000.0)}


def whole_range(depth: str) -> tuple[float, float] | None:
    if depth in WHOLE:
        return WHOLE[depth]
    return (-1000.0, 3000.0) if depth == "float16" else (float(np.iinfo(depth).min), float(np.iinfo(depth).max))


def values_in(image: Any, span: tuple[float, float]) -> Any:
    """Return the original values of an image, `(H, W, C)`."""
    return image.double().numpy().transpose(1, 2, 0) * (span[1] - span[0]) + span[0]


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 13])
@pytest.mark.parametrize(
    "depth", ["uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"]
)
def test_every_depth_and_number_of_bands_is_read(tmp_path: Path, depth: str, channels: int) -> None:
    values = noise(6, 5, channels, depth=depth)
    stored = values[..., 0] if channels == 1 else values
    tiff(tmp_path / NAME, stored, photometric="minisblack", planarconfig="contig" if channels > 1 else None)
    header = inspect_image(tmp_path / NAME)
    assert (header.width, header.height, header.channels, header.depth) == (5, 6, channels, depth)
    span = whole_range(depth)
    image = read_image(tmp_path / NAME, PixelFormat(channels, range=span))
    low, high = span or (0, np.iinfo(depth).max)
    # Tolerance: one float32 step in [0, 1], scaled to the range.
    assert np.abs(values_in(image, (low, high)) - values).max() <= max((high - low) * 2**-23, 1e-6)


@pytest.mark.parametrize(
    "options",
    [
        {"planarconfig": "separate"},
        {"planarconfig": "contig"},
        {"planarconfig": "contig", "compression": "lzw", "predictor": True},
        {"planarconfig": "contig", "compression": "zlib", "tile": (16, 16)},
        {"planarconfig": "contig", "compression": "zstd"},
        {"planarconfig": "contig", "bigtiff": True},
        {"planarconfig": "contig", "byteorder": ">"},
        {"planarconfig": "contig", "rowsperstrip": 3},
    ],
    ids=str,
)
@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_every_layout_and_compression_is_read(tmp_path: Path, options: dict[str, Any], depth: str) -> None:
    values = noise(20, 18, 3, depth=depth)
    stored = values.transpose(2, 0, 1) if options["planarconfig"] == "separate" else values
    tiff(tmp_path / NAME, stored, photometric="rgb", **options)
    assert inspect_image(tmp_path / NAME).layout == "colour"
    image = read_image(tmp_path / NAME)
    assert np.array_equal(np.rint(values_in(image, (0, np.iinfo(depth).max))), values)


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_a_fourth_band_that_is_not_transparency_is_kept(tmp_path: Path, depth: str) -> None:
    values = noise(4, 5, 4, depth=depth)
    for samples, layout in (("unspecified", "bands"), ("unassalpha", "colour")):
        tiff(tmp_path / NAME, values, photometric="rgb", extrasamples=[samples])
        header = inspect_image(tmp_path / NAME)
        assert (header.channels, header.layout, header.alpha) == (4, layout, layout == "colour")


@pytest.mark.parametrize("depth", ["uint8", "uint16"])
def test_white_can_be_zero(tmp_path: Path, depth: str) -> None:
    values = noise(4, 5, depth=depth)
    tiff(tmp_path / NAME, values, photometric="miniswhite")
    highest = np.iinfo(depth).max
    image = read_image(tmp_path / NAME, PixelFormat(1))
    assert np.array_equal(np.rint(values_in(image, (0, highest)))[..., 0], highest - values)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_images_are_oriented_like_8_bit_images_in_pillow(tmp_path: Path, orientation: int) -> None:
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
    extra = [(274, "H", 1, orientation, True)]
    for name, values in (("8.tif", stored), ("16.tif", stored.astype(np.uint16) * 257)):
        tiff(tmp_path / name, values, extratags=extra)
    shallow, deep = (read_image(tmp_path / name, PixelFormat(1)) for name in ("8.tif", "16.tif"))
    assert deep.equal(shallow)
    header = inspect_image(tmp_path / "16.tif")
    assert (header.height, header.width) == deep.shape[1:]


class TestPages:
    """Pages are refused unless they are declared as bands."""

    def test_several_pages_are_refused(self, tmp_path: Path) -> None:
        tiff(tmp_path / NAME, noise(4, 6, 5), photometric="minisblack")
        for depth in ("uint8", "uint16"):
            tiff(tmp_path / NAME, noise(4, 6, 5, depth=depth), photometric="minisblack")
            with pytest.raises(DataError, match=r'has 4 pages; .*data\.pages = "bands"'):
                inspect_image(tmp_path / NAME)

    def test_pages_declared_as_bands_are_read(self, tmp_path: Path) -> None:
        values = noise(4, 6, 5)
        tiff(tmp_path / NAME, values, photometric="minisblack")
        image = read_image(tmp_path / NAME, PixelFormat(4, pages=True))
        assert np.array_equal(np.rint(image.double().numpy() * 65_535), values)
        Image.fromarray(noise(4, 6, depth="uint8")).save(tmp_path / NAME)
        assert read_image(tmp_path / NAME, PixelFormat(1, pages=True)).shape == (1, 4, 6)

    def test_pages_of_different_sizes_are_refused(self, tmp_path: Path) -> None:
        with tifffile.TiffWriter(tmp_path / NAME) as file:
            file.write(noise(4, 6), metadata=None)
            file.write(noise(4, 7), metadata=None)
        with pytest.raises(DataError, match="different sizes"):
            inspect_image(tmp_path / NAME, PixelFormat(2, pages=True))

    def test_reduced_copies_of_an_image_do_not_count_as_pages(self, tmp_path: Path) -> None:
        values = noise(8, 6)
        with tifffile.TiffWriter(tmp_path / NAME) as file:
            file.write(values, metadata=None, subfiletype=0)
            file.write(values[::2, ::2], metadata=None, subfiletype=1)
        assert read_image(tmp_path / NAME, PixelFormat(1)).shape == (1, 8, 6)


def test_unknown_compression_is_refused(tmp_path: Path) -> None:
    tiff(tmp_path / NAME, noise(16, 16, 3, depth="uint16"), photometric="rgb", compression="jpegxl")
    with pytest.raises(DataError, match="compressed with JPEGXL, which is not read; save it with deflate or LZW"):
        inspect_image(tmp_path / NAME)


@pytest.mark.parametrize("compression", ["jpeg", "webp", "jpeg2000", "lerc", "zstd"])
def test_compressed_maps_with_overviews_are_read(tmp_path: Path, compression: str) -> None:
    rows, columns = np.mgrid[:64, :64]
    values = np.stack([3 * rows, 3 * columns, 200 - rows - columns], axis=-1).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / NAME) as file:
        options = {"photometric": "rgb", "compression": compression, "metadata": None, "tile": (32, 32)}
        file.write(values, subfiletype=0, **options)
        file.write(np.ascontiguousarray(values[::2, ::2]), subfiletype=1, **options)
    read = read_image(tmp_path / NAME).numpy().transpose(1, 2, 0) * 255
    assert read.shape == values.shape
    assert np.abs(read - values).mean() < 6


def test_infinity_is_refused(tmp_path: Path) -> None:
    values = noise(4, 4, depth="float32")
    values[1, 2] = np.inf
    tiff(tmp_path / NAME, values)
    with pytest.raises(DataError, match="contains infinite values"):
        read_image(tmp_path / NAME, PixelFormat(1, range=(-1000, 3000)))


def test_if_the_library_is_missing_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiff(tmp_path / "deep.tif", noise(4, 4))
    tiff(tmp_path / "plain.tif", noise(4, 4, depth="uint8"))
    monkeypatch.setitem(sys.modules, "tifffile", None)
    assert inspect_image(tmp_path / "plain.tif").depth == "uint8"
    with pytest.raises(DataError) as caught:
        inspect_image(tmp_path / "deep.tif")
    assert str(caught.value).endswith('deep.tif: this kind of TIFF needs tifffile; pip install "cgkit[tiff]"')


@pytest.mark.parametrize("tag", ["StripByteCounts", "StripOffsets"])
def test_a_missing_strip_is_an_error_instead_of_zeros(tmp_path: Path, tag: str) -> None:
    tiff(tmp_path / NAME, noise(9, 9), rowsperstrip=3)
    assert read_image(tmp_path / NAME, PixelFormat(1)).shape == (1, 9, 9)
    with tifffile.TiffFile(tmp_path / NAME, mode="r+b") as file:
        tags = file.pages[0].tags
        tags[tag].overwrite([*tags[tag].value[:-1], 0 if tag == "StripByteCounts" else 10**6])
    with pytest.raises(DataError, match="some of its data is missing"):
        read_image(tmp_path / NAME, PixelFormat(1))
