"""Pictures of every mode, with 8 or 16 bits, are read with the right values."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cgkit.components.formats import pictures
from cgkit.errors import DataError
from cgkit.images.admission import inspect_image
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image, read_with_alpha
from tests.images.files import noise, png

GREY = PixelFormat(1)
NAME = "x.png"


def levels(image: torch.Tensor, highest: int = 255) -> list[list[int]]:
    """Return the levels of the first row of an image, pixel by pixel."""
    return (image.double() * highest).round().int()[:, 0].T.tolist()


@pytest.mark.parametrize(
    ("mode", "pixel", "expected"),
    [
        ("RGB", (10, 20, 30), [10, 20, 30]),
        ("L", 77, [77, 77, 77]),
        ("1", 1, [255, 255, 255]),
        ("RGBA", (10, 20, 30, 255), [10, 20, 30]),
        ("RGBA", (10, 20, 30, 0), [255, 255, 255]),
        ("LA", (50, 0), [255, 255, 255]),
        ("LA", (50, 255), [50, 50, 50]),
    ],
)
def test_every_mode_is_converted(tmp_path: Path, mode: str, pixel: object, expected: list[int]) -> None:
    Image.new(mode, (2, 1), pixel).save(tmp_path / NAME)
    assert levels(read_image(tmp_path / NAME)) == [expected, expected]


def test_transparency_shows_the_background(tmp_path: Path) -> None:
    Image.new("RGBA", (1, 1), (0, 0, 0, 51)).save(tmp_path / NAME)
    assert levels(read_image(tmp_path / NAME, PixelFormat(background=(0, 255, 100)))) == [[0, 204, 80]]
    Image.new("LA", (1, 1), (0, 51)).save(tmp_path / NAME)
    assert levels(read_image(tmp_path / NAME, PixelFormat(background=(0, 255, 100)))) == [[0, 204, 80]]


def test_transparency_can_be_a_channel_or_be_carried(tmp_path: Path) -> None:
    Image.new("RGBA", (1, 1), (10, 20, 30, 51)).save(tmp_path / NAME)
    assert levels(read_image(tmp_path / NAME, PixelFormat(4, alpha="channel"))) == [[10, 20, 30, 51]]
    image, alpha = read_with_alpha(tmp_path / NAME, PixelFormat(3, alpha="carry", background=(0, 0, 0)))
    assert levels(image) == [[2, 4, 6]]
    assert alpha is not None
    assert levels(alpha) == [[51]]
    Image.new("RGB", (1, 1), (10, 20, 30)).save(tmp_path / NAME)
    assert levels(read_image(tmp_path / NAME, PixelFormat(4, alpha="channel"))) == [[10, 20, 30, 255]]
    assert levels(read_image(tmp_path / NAME, PixelFormat(2, alpha="channel"))) == [[18, 255]]
    assert read_with_alpha(tmp_path / NAME)[1] is None


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([1, 2, 3, 200, 100, 50])
    palette.putdata([0, 1])
    palette.save(tmp_path / NAME)
    assert levels(read_image(tmp_path / NAME)) == [[1, 2, 3], [200, 100, 50]]
    palette.save(tmp_path / NAME, transparency=1)
    assert levels(read_image(tmp_path / NAME)) == [[1, 2, 3], [255, 255, 255]]
    assert inspect_image(tmp_path / NAME).alpha


def test_a_colour_key_becomes_transparency(tmp_path: Path) -> None:
    values = np.array([[[1, 2, 3], [4, 5, 6]]])
    png(tmp_path / NAME, values, colour=2, tRNS=struct.pack(">HHH", 1, 2, 3))
    assert levels(read_image(tmp_path / NAME)) == [[255, 255, 255], [4, 5, 6]]
    png(tmp_path / NAME, values[..., 0], colour=0, tRNS=struct.pack(">H", 4))
    assert levels(read_image(tmp_path / NAME, GREY)) == [[1], [255]]


def test_cmyk_becomes_colour(tmp_path: Path) -> None:
    Image.new("CMYK", (1, 1), (255, 0, 0, 0)).save(tmp_path / "x.tif")
    assert levels(read_image(tmp_path / "x.tif")) == [[0, 255, 255]]
    assert inspect_image(tmp_path / "x.tif").channels == 3


def test_colour_becomes_grey_by_its_luma(tmp_path: Path) -> None:
    Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).save(tmp_path / NAME)
    assert levels(read_image(tmp_path / NAME, GREY)) == [[76], [150], [29]]


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "16 bits of colour"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_exif_is_applied(tmp_path: Path, orientation: int, kind: str) -> None:
    # By the EXIF standard: the corner of the stored picture that is displayed at the top left, and the corner that is
    # displayed at the top right, which distinguishes rotated from mirrored pictures.
    first, second = {
        1: ((0, 0), (0, -1)),
        2: ((0, -1), (0, 0)),
        3: ((-1, -1), (-1, 0)),
        4: ((-1, 0), (-1, -1)),
        5: ((0, 0), (-1, 0)),
        6: ((-1, 0), (0, 0)),
        7: ((-1, -1), (0, -1)),
        8: ((0, -1), (-1, -1)),
    }[orientation]
    stored = np.zeros((2, 3), np.uint8 if kind == "8 bits" else np.uint16)
    highest = int(np.iinfo(stored.dtype).max)
    stored[first], stored[second] = highest, highest // 5
    exif = Image.Exif()
    exif[0x0112] = orientation
    if kind == "16 bits of colour":
        colours = np.repeat(stored[..., None], 3, axis=-1)
        png(tmp_path / NAME, colours, colour=2, bits=16, eXIf=exif.tobytes().removeprefix(b"Exif\0\0"))
    else:
        Image.fromarray(stored).save(tmp_path / NAME, exif=exif)
    image = read_image(tmp_path / NAME, GREY)
    header = inspect_image(tmp_path / NAME)
    assert image.shape[1:] == (header.height, header.width) == ((2, 3) if orientation < 5 else (3, 2))
    assert float(image[0, 0, 0]) == pytest.approx(1)
    assert float(image[0, 0, -1]) == pytest.approx(0.2, abs=1e-4)
    assert float(image.sum()) == pytest.approx(1.2, abs=1e-4)


class TestSixteenBits:
    """Pillow keeps all 16 bits only for grey."""

    @pytest.mark.parametrize(("colour", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
    def test_no_bit_is_lost(self, tmp_path: Path, colour: int, channels: int) -> None:
        values = noise(5, 7, channels)
        png(tmp_path / NAME, values, colour=colour, bits=16)
        header = inspect_image(tmp_path / NAME)
        assert (header.depth, header.channels, header.alpha) == ("uint16", channels, channels in (2, 4))
        image = read_image(tmp_path / NAME, PixelFormat(channels, alpha="channel"))
        assert np.array_equal((image.double() * 65_535).round().numpy(), values.transpose(2, 0, 1))

    def test_transparency_is_composited_in_16_bits(self, tmp_path: Path) -> None:
        png(tmp_path / NAME, np.array([[[1000, 2000, 3000, 32_768]]]), colour=6, bits=16)
        expected = [[round(level * 32_768 / 65_535) for level in (1000, 2000, 3000)]]
        assert levels(read_image(tmp_path / NAME, PixelFormat(background=(0, 0, 0))), 65_535) == expected

    def test_a_transparent_level_is_recognised(self, tmp_path: Path) -> None:
        png(tmp_path / NAME, np.array([[1000, 1001]]), colour=0, bits=16, tRNS=struct.pack(">H", 1000))
        assert levels(read_image(tmp_path / NAME, GREY), 65_535) == [[65_535], [1001]]
        assert inspect_image(tmp_path / NAME).channels == 2

    def test_a_declared_range_maps_to_black_and_white_and_clips(self, tmp_path: Path) -> None:
        png(tmp_path / NAME, np.array([[0, 100, 2098, 4096, 60_000]]), colour=0, bits=16)
        image = read_image(tmp_path / NAME, PixelFormat(1, range=(100, 4096)))
        assert image.flatten().tolist() == pytest.approx([0, 0, 0.5, 1, 1])

    def test_a_truncated_file_is_refused_wherever_it_ends(self, tmp_path: Path) -> None:
        content = png(tmp_path / NAME, noise(9, 9, 3), colour=2, bits=16).read_bytes()
        for length in range(1, len(content) - 20, 17):
            (tmp_path / NAME).write_bytes(content[:length])
            with pytest.raises(DataError, match=r"x\.png: "):
                read_image(tmp_path / NAME)


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_a_large_picture_is_read_like_a_small_one(monkeypatch: pytest.MonkeyPatch, mode: str, channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (700, 30, channels), np.uint8)
    picture = Image.fromarray(pixels[..., 0] if channels == 1 else pixels)
    assert picture.mode == mode
    monkeypatch.setattr(pictures, "_SMALL", 1)
    assert np.array_equal(pictures.picture_values(picture), pixels)
    picture.getexif()[0x0112] = 6
    assert np.array_equal(pictures.picture_values(picture), np.rot90(pixels, -1))
