"""Inadmissible files are refused before any pixel is decoded."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cgkit.errors import DataError
from cgkit.files.limits import MAX_PIXELS
from cgkit.images.admission import inspect_image
from cgkit.images.encoded import EncodedImage
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image
from tests.images.files import noise, png, tiff

NAME = "x.png"
FRAMES = [Image.new("RGB", (3, 3), colour) for colour in ("red", "blue")]


def text(path: Path) -> None:
    path.write_text("not an image")


def missing(path: Path) -> None:
    pass


def folder(path: Path) -> None:
    path.mkdir()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def empty(path: Path) -> None:
    path.touch()


def animated_gif(path: Path) -> None:
    FRAMES[0].save(path, format="GIF", save_all=True, append_images=FRAMES[1:])


def animated_png(path: Path) -> None:
    FRAMES[0].save(path, format="PNG", save_all=True, append_images=FRAMES[1:])


def animated_webp(path: Path) -> None:
    FRAMES[0].save(path, format="WEBP", save_all=True, append_images=FRAMES[1:])


def postscript(path: Path) -> None:
    Image.new("RGB", (3, 3)).save(path, format="EPS")


def bomb(path: Path) -> None:
    png(path, np.zeros((1, 1, 3)), colour=2, size=(50_000, 50_000))


def smaller_bomb(path: Path) -> None:
    png(path, np.zeros((1, 1, 3)), colour=2, size=(12_000, 12_000))


def strip(path: Path) -> None:
    png(path, np.zeros((1, 1, 3)), colour=2, size=(65_500, 1))


def npy(path: Path, shape: tuple[int, ...] = (4, 4), descr: str = "<f4", content: bytes = b"") -> None:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": descr, "fortran_order": False, "shape": shape})
    path.write_bytes(stream.getvalue() + content)


def huge_array(path: Path) -> None:
    npy(path, (100_000, 100_000))


def array_of_many_bands(path: Path) -> None:
    npy(path, (8000, 8000, 5), content=bytes(100))


def array_without_data(path: Path) -> None:
    npy(path, (1000, 1000), content=bytes(100))


def pickled_objects(path: Path) -> None:
    np.save(path.with_suffix(".npy"), np.array([{}, []], dtype=object), allow_pickle=True)
    path.with_suffix(".npy").rename(path)


def zip_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("image.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "|u1", "fortran_order": False, "shape": (9_000, 8_000)})
        for _ in range(9):
            member.write(bytes(8_000_000))


def tiff_bomb(path: Path) -> None:
    """Write a small file whose header claims 9000 x 8000 float pixels."""
    tiff(path, np.zeros((8, 8), np.float32))
    content = bytearray(path.read_bytes())
    for tag, value in ((256, 9000), (257, 8000)):
        offset = next(at for at in range(len(content)) if content[at : at + 2] == struct.pack("<H", tag))
        content[offset + 2 : offset + 12] = struct.pack("<HII", 4, 1, value)
    path.write_bytes(content)


BAD = {
    missing: "cannot be read: No such file",
    folder: "not a regular file",
    fifo: "not a regular file",
    device: "not a regular file",
    loop: "cannot be read: Too many levels of symbolic links",
    dangling: "cannot be read: No such file",
    empty: "empty",
    text: "not an image",
    animated_gif: "is an animation of 2 frames; save each frame",
    animated_png: "2 frames",
    animated_webp: "2 frames",
    postscript: "not an image in a supported format",
    bomb: "million pixels",
    smaller_bomb: "12000x12000 exceeds the limit of 64 million pixels",
    strip: "65500x1 is too elongated",
    huge_array: "truncated",
    array_of_many_bands: "truncated",
    array_without_data: "truncated",
    pickled_objects: "objects",
    zip_bomb: "9000 exceeds the limit of 64 million pixels",
    tiff_bomb: "9000x8000 exceeds the limit of 64 million pixels",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_an_inadmissible_file_is_refused_with_its_name_and_the_reason(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / NAME)
    tracemalloc.start()
    for function in (inspect_image, read_image):
        with pytest.raises(DataError, match=BAD[make]) as caught:
            function(tmp_path / NAME)
        assert str(caught.value).startswith(f"{tmp_path / NAME}: ")
    assert tracemalloc.get_traced_memory()[1] < 8_000_000, "pixels were decoded, or memory allocated for them"
    tracemalloc.stop()


def test_the_number_of_values_is_limited_too(tmp_path: Path) -> None:
    with (tmp_path / NAME).open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (7000, 7000, 6)})
        stream.truncate(stream.tell() + 7000 * 7000 * 6)
    assert MAX_PIXELS > 7000 * 7000
    with pytest.raises(DataError, match="7000x7000x6 exceeds the limit of 256 million values"):
        inspect_image(tmp_path / NAME)


def test_the_format_is_recognised_by_content_not_by_suffix(tmp_path: Path) -> None:
    Image.new("RGB", (4, 3), "red").save(tmp_path / NAME, format="JPEG")
    assert inspect_image(tmp_path / NAME).format == "JPEG"
    np.save(tmp_path / "x.npy", noise(4, 3))
    (tmp_path / "x.npy").rename(tmp_path / "x.jpg")
    assert inspect_image(tmp_path / "x.jpg").format == "NPY"


def test_a_link_to_an_image_is_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    Image.new("RGB", (4, 3)).save(tmp_path / "elsewhere" / NAME)
    (tmp_path / NAME).symlink_to(tmp_path / "elsewhere" / NAME)
    assert inspect_image(tmp_path / NAME).width == 4


def save(file: Path, kind: str) -> PixelFormat:
    """Write a small image of a kind, and return the pixel format of its domain."""
    if kind == "npy":
        np.save(file, noise(12, 12, 3))
    elif kind == "npz":
        np.savez_compressed(file, noise(12, 12, 3))
    elif kind == "deep.tif":
        tiff(file, noise(12, 12, 13, depth="float32"), photometric="minisblack", planarconfig="contig")
        return PixelFormat(13, range=(-1000, 3000))
    elif kind == "lzw.tif":
        tiff(file, noise(12, 12), compression="lzw")
    elif kind == "deep.png":
        png(file, noise(12, 12, 3), colour=2, bits=16)
    else:
        Image.fromarray(noise(12, 12, 3, depth="uint8")).save(file)
    return PixelFormat()


KINDS = ["jpg", "png", "webp", "bmp", "tif", "deep.png", "deep.tif", "lzw.tif", "npy", "npz"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"x.{kind}"
    pixels = save(file, kind)
    content = file.read_bytes()
    for length in range(1, len(content) - 40, max(1, len(content) // 25)):
        file.write_bytes(content[:length])
        with pytest.raises(DataError, match="x"):
            read_image(file, pixels)


@settings(deadline=None, max_examples=40)
@given(positions=st.lists(st.integers(0, 10_000), min_size=1, max_size=3), value=st.integers(0, 255))
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_bytes_give_an_error_or_an_image_but_no_crash(
    tmp_path_factory: pytest.TempPathFactory, kind: str, positions: list[int], value: int
) -> None:
    file = tmp_path_factory.getbasetemp() / f"damaged.{kind}"
    pixels = save(file, kind)
    content = bytearray(file.read_bytes())
    for position in positions:
        content[position % len(content)] = value
    file.write_bytes(content)
    try:
        image = read_image(file, pixels)
    except DataError:
        return
    assert image.shape[0] == pixels.channels
    assert image.min() >= 0
    assert image.max() <= 1


def test_the_header_describes_the_file(tmp_path: Path) -> None:
    Image.new("L", (5, 7)).save(tmp_path / "x.jpg")
    header = inspect_image(tmp_path / "x.jpg")
    assert (header.width, header.height, header.channels, header.format) == (5, 7, 1, "JPEG")
    assert (header.depth, header.layout, header.alpha) == ("uint8", "grey", False)


def test_bytes_are_checked_like_files(tmp_path: Path) -> None:
    png(tmp_path / NAME, noise(4, 5, 3), colour=2, bits=16)
    read = read_image(EncodedImage("far/x", (tmp_path / NAME).read_bytes()))
    assert read.equal(read_image(tmp_path / NAME))
    for content, reason in ((b"", "empty"), (b"not an image", "not an image")):
        with pytest.raises(DataError, match=f"far/x: {reason}"):
            read_image(EncodedImage("far/x", content))
