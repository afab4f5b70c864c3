from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cgkit.data.admission import inspect_image
from cgkit.data.images import read_image, write_image
from cgkit.errors import DataError, ResourceError, UsageError


def levels(image: torch.Tensor) -> list[list[int]]:
    """The levels of an image's first row, pixel by pixel."""
    return (image * 255).round().int()[:, 0].T.tolist()


def png(path: Path, *, width: int, height: int, bits: int, colour: int, rows: bytes) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


class TestReading:
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
    def test_every_mode_has_its_rule(self, tmp_path: Path, mode: str, pixel: object, expected: list[int]) -> None:
        Image.new(mode, (2, 1), pixel).save(tmp_path / "x.png")
        assert levels(read_image(tmp_path / "x.png")) == [expected, expected]

    def test_transparency_shows_the_background(self, tmp_path: Path) -> None:
        Image.new("RGBA", (1, 1), (0, 0, 0, 51)).save(tmp_path / "x.png")
        assert levels(read_image(tmp_path / "x.png", background=(0, 255, 100))) == [[0, 204, 80]]

    def test_a_palette_is_looked_up(self, tmp_path: Path) -> None:
        palette = Image.new("P", (2, 1))
        palette.putpalette([1, 2, 3, 200, 100, 50])
        palette.putdata([0, 1])
        palette.save(tmp_path / "x.png")
        assert levels(read_image(tmp_path / "x.png")) == [[1, 2, 3], [200, 100, 50]]
        palette.save(tmp_path / "y.png", transparency=1)
        assert levels(read_image(tmp_path / "y.png")) == [[1, 2, 3], [255, 255, 255]]

    def test_cmyk_becomes_colour(self, tmp_path: Path) -> None:
        Image.new("CMYK", (1, 1), (255, 0, 0, 0)).save(tmp_path / "x.tif")
        assert levels(read_image(tmp_path / "x.tif")) == [[0, 255, 255]]

    def test_colour_becomes_grey_by_its_luma(self, tmp_path: Path) -> None:
        Image.fromarray(np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)).save(tmp_path / "x.png")
        assert levels(read_image(tmp_path / "x.png", channels=1)) == [[76], [150], [29]]

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_the_orientation_of_exif_is_applied(self, tmp_path: Path, orientation: int) -> None:
        # Which corner of the stored picture is at the top left when it is shown, by the EXIF standard.
        corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[orientation]
        stored = np.zeros((2, 3), np.uint8)
        stored[0 if corner[0] == 0 else -1, 0 if corner[1] == 0 else -1] = 255
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(stored).save(tmp_path / "x.png", exif=exif)
        image = read_image(tmp_path / "x.png", channels=1)
        header = inspect_image(tmp_path / "x.png")
        assert image.shape[1:] == (header.height, header.width) == ((2, 3) if orientation < 5 else (3, 2))
        assert float(image[0, 0, 0]) == 1
        assert float(image.sum()) == 1

    @pytest.mark.parametrize("channels", [2, 4])
    def test_other_channel_counts_are_refused(self, tmp_path: Path, channels: int) -> None:
        Image.new("RGB", (2, 2)).save(tmp_path / "x.png")
        with pytest.raises(DataError, match="1 or 3 channels"):
            read_image(tmp_path / "x.png", channels=channels)


def text(path: Path) -> None:
    path.write_text("no image")


def missing(path: Path) -> None:
    pass


def folder(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def empty(path: Path) -> None:
    path.touch()


def other_format(path: Path) -> None:
    Image.new("RGB", (3, 3)).save(path, format="GIF")


def animation(path: Path) -> None:
    frames = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]
    frames[0].save(path, format="PNG", save_all=True, append_images=frames[1:])


def sixteen_bit_grey(path: Path) -> None:
    Image.fromarray(np.full((3, 3), 1000, np.uint16)).save(path, format="PNG")


def sixteen_bit_colour(path: Path) -> None:
    png(path, width=1, height=1, bits=16, colour=2, rows=b"\0" + bytes(6))


def floats(path: Path) -> None:
    Image.fromarray(np.zeros((3, 3), np.float32)).save(path, format="TIFF")


def bomb(path: Path) -> None:
    png(path, width=50_000, height=50_000, bits=8, colour=2, rows=b"\0")


def strip(path: Path) -> None:
    Image.new("L", (3000, 2)).save(path, format="PNG")


BAD = {
    missing: "cannot be read",
    folder: "not a regular file",
    fifo: "not a regular file",
    empty: "empty",
    text: "not an image",
    other_format: "not an image of the formats",
    animation: "2 frames",
    sixteen_bit_grey: "16 bits a channel",
    sixteen_bit_colour: "16 bits a channel",
    floats: "cannot be read",
    bomb: "million pixels",
    strip: "too long a strip",
}


class TestAdmission:
    @pytest.mark.timeout(20)
    @pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
    def test_what_may_not_be_opened_is_refused_with_its_name_and_reason(
        self, tmp_path: Path, make: Callable[[Path], None]
    ) -> None:
        make(tmp_path / "x.png")
        for function in (inspect_image, read_image):
            with pytest.raises(DataError, match=BAD[make]) as caught:
                function(tmp_path / "x.png")
            assert str(caught.value).startswith(str(tmp_path / "x.png"))

    @pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
    def test_a_file_that_is_cut_short_is_refused_wherever_it_is_cut(self, tmp_path: Path, suffix: str) -> None:
        file = tmp_path / f"x{suffix}"
        Image.effect_noise((40, 40), 60).convert("RGB").save(file)
        content = file.read_bytes()
        for length in range(1, len(content) - 20, max(1, len(content) // 25)):
            file.write_bytes(content[:length])
            with pytest.raises(DataError, match="x"):
                read_image(file)

    @settings(deadline=None, max_examples=150)
    @given(place=st.integers(0, 10_000), value=st.integers(0, 255))
    def test_a_damaged_byte_is_an_error_or_an_image_never_a_crash(
        self, tmp_path_factory: pytest.TempPathFactory, place: int, value: int
    ) -> None:
        file = tmp_path_factory.getbasetemp() / "damaged.png"
        Image.effect_noise((12, 12), 60).save(file)
        content = bytearray(file.read_bytes())
        content[place % len(content)] = value
        file.write_bytes(content)
        try:
            image = read_image(file)
        except DataError:
            return
        assert image.min() >= 0
        assert image.max() <= 1

    def test_a_header_says_what_is_in_the_file(self, tmp_path: Path) -> None:
        Image.new("L", (5, 7)).save(tmp_path / "x.jpg")
        header = inspect_image(tmp_path / "x.jpg")
        assert (header.width, header.height, header.channels, header.format) == (5, 7, 1, "JPEG")


class TestWriting:
    @settings(deadline=None, max_examples=40)
    @given(
        channels=st.sampled_from([1, 3]),
        height=st.integers(1, 20),
        width=st.integers(1, 20),
        seed=st.integers(0, 99),
        suffix=st.sampled_from([".png", ".PNG", ".tif", ".webp", ".bmp"]),
    )
    def test_what_is_written_is_read_again_exactly(
        self, tmp_path_factory: pytest.TempPathFactory, channels: int, height: int, width: int, seed: int, suffix: str
    ) -> None:
        file = tmp_path_factory.getbasetemp() / f"written{suffix}"
        draws = torch.Generator().manual_seed(seed)
        image = torch.randint(0, 256, (channels, height, width), generator=draws) / 255
        write_image(image, file)
        assert torch.equal(read_image(file, channels=channels), image)

    def test_values_go_to_the_nearest_level(self, tmp_path: Path) -> None:
        write_image(torch.tensor([-1.0, 0.4 / 255, 0.6 / 255, 2.0]).reshape(1, 1, 4), tmp_path / "x.png")
        assert levels(read_image(tmp_path / "x.png", channels=1)) == [[0], [0], [1], [255]]

    def test_grey_stays_grey(self, tmp_path: Path) -> None:
        write_image(torch.rand(1, 4, 4), tmp_path / "x.png")
        assert inspect_image(tmp_path / "x.png").mode == "L"

    def test_other_formats_and_shapes_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match="suffixes"):
            write_image(torch.rand(3, 4, 4), tmp_path / "x.gif")
        with pytest.raises(DataError, match="8 bits"):
            write_image(torch.rand(5, 4, 4), tmp_path / "x.png")

    def test_a_failed_write_leaves_what_was_there(self, tmp_path: Path) -> None:
        (tmp_path / "x.png").mkdir()
        (tmp_path / "x.png" / "mine").touch()
        with pytest.raises(ResourceError, match="cannot be written"):
            write_image(torch.rand(3, 4, 4), tmp_path / "x.png")
        assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
        assert (tmp_path / "x.png" / "mine").exists()
