"""A small file does not keep its decoder busy for minutes."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from cgkit.errors import DataError
from cgkit.images.admission import inspect_image
from cgkit.images.formats import built_in
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_values
from tests.faults.faults import time_limit


def test_a_tiff_of_many_pages_is_refused_at_once(tmp_path: Path) -> None:
    file, pages = tmp_path / "pages.tif", 100_000
    entries = ((256, 1), (257, 1), (258, 8), (259, 1), (262, 1), (273, 4), (277, 1), (278, 1), (279, 1))
    length = 2 + 12 * len(entries) + 4
    content = bytearray(b"II*\0" + struct.pack("<I", 8))
    for page in range(pages):
        content += struct.pack("<H", len(entries))
        for tag, value in entries:
            content += struct.pack("<HHII", tag, 4, 1, value)
        content += struct.pack("<I", 8 + (page + 1) * length if page + 1 < pages else 0)
    file.write_bytes(content)
    with time_limit(10), pytest.raises(DataError, match="pages"):
        inspect_image(file)


def scans_of(content: bytes) -> tuple[bytes, bytes]:
    """Split a progressive JPEG file: everything before its last scan, and that scan without the end marker."""
    last = content.rindex(b"\xff\xda")
    return content[:last], content[last:-2]


def test_a_jpeg_of_thousands_of_scans_is_not_decoded(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(stream, "JPEG", progressive=True)
    start, scan = scans_of(stream.getvalue())
    for count in (3, 20_000):
        (tmp_path / f"{count}.jpg").write_bytes(start + scan * count + b"\xff\xd9")
    grey = PixelFormat(channels=1)
    assert inspect_image(tmp_path / "20000.jpg").width == 64
    read_values(tmp_path / "3.jpg", grey, built_in())
    with time_limit(10), pytest.raises(DataError, match=r"has 200\d\d scans; the limit is 1000"):
        read_values(tmp_path / "20000.jpg", grey, built_in())
