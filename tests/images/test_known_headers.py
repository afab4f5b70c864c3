"""Headers of large folders are remembered, as long as nothing changed."""

from __future__ import annotations

import io
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from cgkit.contracts import ImageRecord
from cgkit.data.inspection import Inspection, check_images
from cgkit.images.known_headers import FILE, WORTH_IT, KnownHeaders
from cgkit.images.pixels import PixelFormat


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CGKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / FILE


def write_images(folder: Path, count: int) -> Path:
    content = io.BytesIO()
    Image.new("RGB", (20, 10)).save(content, "PNG")
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:04d}.png").write_bytes(content.getvalue())
    return folder


def check(folder: Path, pixels: PixelFormat | None = None) -> Inspection:
    with KnownHeaders(pixels or PixelFormat()) as headers:
        return check_images([ImageRecord(file.name, path=file) for file in sorted(folder.glob("*.png"))], headers)


def test_headers_of_many_images_are_remembered_and_are_the_same(cache: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", WORTH_IT)
    first = check(folder)
    assert cache.exists()
    size = cache.stat().st_size
    assert check(folder) == first
    assert cache.stat().st_size == size
    assert first.describe() == "20x10"


def test_a_file_that_changed_is_read_again_even_if_size_and_date_are_the_same(cache: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", WORTH_IT)
    check(folder)
    file = folder / "0007.png"
    status = file.stat()
    file.write_bytes(bytes(status.st_size))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    (problem,) = check(folder).problems
    assert "0007.png" in str(problem)
    file.unlink()
    file.mkdir()
    (problem,) = check(folder).problems
    assert "not a regular file" in str(problem)


def test_files_are_read_again_for_a_spec_that_reads_them_otherwise(cache: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", WORTH_IT)
    check(folder)
    size = cache.stat().st_size
    check(folder, PixelFormat(pages=True))
    assert cache.stat().st_size > size


def test_small_folders_leave_nothing_behind(cache: Path, tmp_path: Path) -> None:
    check(write_images(tmp_path / "images", 3))
    assert not cache.parent.exists()


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + bytes(100)])
def test_a_damaged_cache_makes_no_difference(cache: Path, tmp_path: Path, content: bytes) -> None:
    folder = write_images(tmp_path / "images", WORTH_IT)
    cache.parent.mkdir()
    cache.write_bytes(content)
    assert check(folder).describe() == "20x10"


def test_a_cache_that_cannot_be_written_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CGKIT_CACHE", str(tmp_path / "file" / "cache"))
    assert check(write_images(tmp_path / "images", WORTH_IT)).describe() == "20x10"


@pytest.mark.parametrize("header", ["", "[]", "{}", "null", '{"notes": []}', b"\xff"])
def test_a_damaged_entry_makes_no_difference(cache: Path, tmp_path: Path, header: str | bytes) -> None:
    folder = write_images(tmp_path / "images", WORTH_IT)
    check(folder)
    with closing(sqlite3.connect(cache)) as database, database:
        database.execute("update files set header = cast(? as text)", (header,))
    assert check(folder).describe() == "20x10"


def test_odd_names_and_dates_are_no_problem(cache: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images \udcff", WORTH_IT)
    (folder / "0000.png").rename(folder / "\udce4 \n.png")
    assert [check(folder).describe() for _ in range(2)] == ["20x10", "20x10"]
    assert cache.exists()
    os.utime(folder / "0001.png", (0, 2**34))
    assert [check(folder).describe() for _ in range(2)] == ["20x10", "20x10"]
