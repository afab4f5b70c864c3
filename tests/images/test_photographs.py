"""Photographs as phones and cameras write them are read, or refused by what they are, with what to do."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from cgkit.errors import DataError
from cgkit.images.admission import inspect_image
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image, read_values
from tests.images.files import noise

ROWS, COLUMNS = np.mgrid[:32, :48]
PHOTO = np.stack([60 + 2 * COLUMNS, 40 + 4 * ROWS, 180 - COLUMNS - ROWS], axis=-1).astype(np.uint8)


def levels(path: Path, pixels: PixelFormat | None = None) -> NDArray[np.float64]:
    image = read_image(path, pixels or PixelFormat())
    return np.asarray(image.numpy().transpose(1, 2, 0) * 255, np.float64)


def test_of_several_pictures_in_a_jpeg_the_first_is_read_and_that_is_noted(tmp_path: Path) -> None:
    second = Image.new("RGB", (24, 16), "red")
    Image.fromarray(PHOTO).save(tmp_path / "x.jpg", "MPO", save_all=True, append_images=[second], quality=95)
    header = inspect_image(tmp_path / "x.jpg")
    assert (header.width, header.height, header.notes) == (48, 32, ("the first of its 2 pictures is used",))
    assert np.abs(levels(tmp_path / "x.jpg") - PHOTO).mean() < 4


@pytest.mark.parametrize("suffix", [".jfif", ".avif", ".jp2", ".gif", ".ppm", ".heic"])
def test_other_formats_are_read(tmp_path: Path, suffix: str) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif").register_heif_opener()
    path = tmp_path / f"x{suffix}"
    names = {".jfif": "JPEG", ".avif": "AVIF", ".jp2": "JPEG2000", ".gif": "GIF", ".ppm": "PPM", ".heic": "HEIF"}
    Image.fromarray(PHOTO).save(path, names[suffix])
    assert np.abs(levels(path) - PHOTO).mean() < 8


def test_without_the_library_heic_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(100))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(DataError, match=r'HEIC needs pillow_heif; pip install "cgkit\[heif\]"'):
        inspect_image(tmp_path / "x.heic")


def test_12_bit_jpeg_keeps_its_bits(tmp_path: Path) -> None:
    values = np.rint(PHOTO * (4095 / 255)).astype(np.uint16)
    (tmp_path / "x.jpg").write_bytes(imagecodecs.jpeg8_encode(values, bitspersample=12, level=98))
    header = inspect_image(tmp_path / "x.jpg")
    assert (header.width, header.height, header.depth) == (48, 32, "uint16")
    assert np.abs(levels(tmp_path / "x.jpg") - PHOTO).mean() < 4


def test_the_frame_of_a_thumbnail_is_not_that_of_the_picture(tmp_path: Path) -> None:
    content = imagecodecs.ljpeg_encode(noise(8, 9, depth="uint16"))
    thumbnail = b"Exif\0\0" + b"\xff\xc3\0\x0b\x10\0\x40\0\x40\1\1\x11\0"
    segment = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    (tmp_path / "x.jpg").write_bytes(content[:2] + segment + content[2:])
    header = inspect_image(tmp_path / "x.jpg")
    assert (header.width, header.height) == (9, 8)


def test_lossless_jpeg_is_read_exactly(tmp_path: Path) -> None:
    values = noise(8, 9, depth="uint16")
    (tmp_path / "x.jpg").write_bytes(imagecodecs.ljpeg_encode(values))
    assert np.array_equal(read_values(tmp_path / "x.jpg", PixelFormat(1)).content[..., 0], values)


def test_deep_jpeg_2000_keeps_its_bits(tmp_path: Path) -> None:
    values = noise(8, 9, 3, depth="uint16")
    (tmp_path / "x.jp2").write_bytes(imagecodecs.jpeg2k_encode(values, level=0))
    assert np.array_equal(read_values(tmp_path / "x.jp2").content, values)


def test_a_deep_grey_map_keeps_its_bits_and_a_deep_colour_one_is_refused(tmp_path: Path) -> None:
    values = noise(4, 5, depth="uint16")
    (tmp_path / "x.pgm").write_bytes(b"P5\n# a comment\n5 4\n65535\n" + values.astype(">u2").tobytes())
    assert np.array_equal(read_values(tmp_path / "x.pgm", PixelFormat(1)).content[..., 0], values)
    (tmp_path / "x.ppm").write_bytes(b"P6 5 4 65535\n" + noise(4, 5, 3, depth="uint16").astype(">u2").tobytes())
    with pytest.raises(DataError, match="colours of more than 8 bits, which are not read from PPM; convert it to PNG"):
        inspect_image(tmp_path / "x.ppm")


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_the_transparent_level_of_a_grey_png_counts_in_its_own_bits(tmp_path: Path, bits: int) -> None:
    count = 2**bits
    row = np.arange(min(count, 32))
    packed = np.packbits(np.unpackbits(row.astype(np.uint8)[:, None], axis=1)[:, 8 - bits :].reshape(-1))
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", len(row), 1, bits, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", 1)),
        (b"IDAT", zlib.compress(b"\0" + packed.tobytes())),
        (b"IEND", b""),
    ]
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in chunks:
        content += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    (tmp_path / "x.png").write_bytes(content)
    values = read_values(tmp_path / "x.png", PixelFormat(1)).content[0]
    assert values[:, 1].tolist() == [0 if level == 1 else 255 for level in row]


def wide_gamut() -> bytes:
    """Return a profile with the primaries of Display P3, whose name mentions sRGB."""
    profile = imagecodecs.cms_profile(
        "rgb", whitepoint=(0.3127, 0.329), primaries=(0.68, 0.32, 0.265, 0.69, 0.15, 0.06), gamma=2.2
    )
    return bytes(profile).replace("RGB built-in".encode("utf-16-be"), "sRGB-like P3".encode("utf-16-be"))


def test_a_profile_is_judged_by_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), (200, 60, 60)).save(tmp_path / "x.png", icc_profile=wide_gamut())
    red, green, _ = levels(tmp_path / "x.png")[0, 0]
    assert red > 210
    assert green < 50


def test_16_bit_colour_is_converted_like_8_bit_colour(tmp_path: Path) -> None:
    profile = wide_gamut()
    Image.new("RGB", (2, 2), (200, 60, 60)).save(tmp_path / "x.png", icc_profile=profile)
    deep = imagecodecs.png_encode(np.full((2, 2, 3), (200, 60, 60), np.uint16) * 257)
    chunk = b"iCCP" + b"p3\0\0" + zlib.compress(profile)
    sized = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "y.png").write_bytes(deep[:33] + sized + deep[33:])
    assert np.abs(levels(tmp_path / "x.png") - levels(tmp_path / "y.png", PixelFormat(3))).max() < 1.5


def test_premultiplied_alpha_is_undone_at_any_depth(tmp_path: Path) -> None:
    for depth, full in (("uint8", 255), ("uint16", 65_535)):
        values = np.zeros((2, 2, 4), depth)
        values[..., :3], values[..., 3] = full // 4, full // 2
        tifffile.imwrite(tmp_path / "x.tif", values, photometric="rgb", extrasamples=["assocalpha"], metadata=None)
        image = read_image(tmp_path / "x.tif", PixelFormat(4, alpha="channel"))
        assert float(image[0, 0, 0]) == pytest.approx(0.5, abs=0.01)
        assert float(image[3, 0, 0]) == pytest.approx(0.5, abs=0.005)


def test_a_raw_photograph_is_not_read_as_its_preview(tmp_path: Path) -> None:
    preview = noise(8, 8, 3, depth="uint8")
    version = [(50706, "B", 4, b"\1\4\0\0", True)]
    tifffile.imwrite(tmp_path / "x.dng", preview, photometric="rgb", metadata=None, extratags=version)
    with pytest.raises(DataError, match="is a raw photograph, and would be read as its preview; develop it"):
        inspect_image(tmp_path / "x.dng")


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"8BPS\0\1", "a Photoshop document"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "a raw photograph .CR3."),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'>", "an SVG drawing.*render it to PNG"),
        (b"<!DOCTYPE html><html><body>not found", "a web page that was saved by mistake"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:12", "a pointer of Git LFS.*run git lfs pull"),
        (bytes(128) + b"DICM", "a DICOM file.*install the package cgkit-medical"),
        (b"nothing that is known", "not an image in a supported format .*convert or remove it"),
    ],
)
def test_what_is_no_image_is_named(tmp_path: Path, start: bytes, message: str) -> None:
    (tmp_path / "x.png").write_bytes(start)
    with pytest.raises(DataError, match=message):
        inspect_image(tmp_path / "x.png")


def test_a_grey_profile_is_converted(tmp_path: Path) -> None:
    linear = bytes(imagecodecs.cms_profile("gray", gamma=1.0))
    Image.new("L", (2, 2), 128).save(tmp_path / "x.png", icc_profile=linear)
    assert float(levels(tmp_path / "x.png", PixelFormat(1))[0, 0, 0]) == pytest.approx(188, abs=2)
