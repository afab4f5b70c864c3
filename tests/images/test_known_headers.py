"""Headers of large folders are remembered, as long as nothing changed."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from cgkit.contracts import ImageRecord
from cgkit.data.inspection import Inspection, check_images
from cgkit.images.known_headers import FOLDER, WORTH_IT, KnownHeaders
from cgkit.images.pixels import PixelFormat


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CGKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / FOLDER


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


def remembered(cache: Path) -> list[Path]:
    return sorted(cache.iterdir())


def test_headers_of_many_images_are_remembered_and_are_the_same(cache: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", WORTH_IT)
    first = check(folder)
    (file,) = remembered(cache)
    written = file.stat().st_mtime_ns
    assert check(folder) == first
    assert file.stat().st_mtime_ns == written
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
    check(folder, PixelFormat(pages=True))
    assert len(remembered(cache)) == 2


def test_what_was_remembered_of_a_folder_stays_when_images_are_added(cache: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", WORTH_IT)
    check(folder)
    write_images(tmp_path / "more", WORTH_IT)
    for file in (tmp_path / "more").iterdir():
        file.rename(folder / f"other-{file.name}")
    assert check(folder).sizes == {(10, 20): 2 * WORTH_IT}
    (file,) = remembered(cache)
    written = file.stat().st_mtime_ns
    assert check(folder).sizes == {(10, 20): 2 * WORTH_IT}
    assert file.stat().st_mtime_ns == written


def test_small_folders_leave_nothing_behind(cache: Path, tmp_path: Path) -> None:
    check(write_images(tmp_path / "images", 3))
    assert not cache.parent.exists()


def damaged(content: bytes) -> Iterator[bytes]:
    """Yield a saved file with one byte in ten inverted, and cut at several places; and other files."""
    yield from (b"", b"not a file of headers", bytes(1000))
    for position in range(0, min(len(content), 4000), 10):
        yield content[:position] + bytes([content[position] ^ 255]) + content[position + 1 :]
    yield from (content[: len(content) * part // 10] for part in range(1, 10))


def test_a_damaged_cache_makes_no_difference(cache: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images", WORTH_IT)
    check(folder)
    (file,) = remembered(cache)
    image = next(folder.iterdir())
    pixels = PixelFormat()
    for content in damaged(file.read_bytes()):
        file.write_bytes(content)
        header, length = KnownHeaders(pixels).inspect(str(image))
        assert length == image.stat().st_size
        assert header.channels in range(10**9)
    shutil.rmtree(cache)
    cache.write_text("")
    assert check(folder).describe() == "20x10"


def test_a_cache_that_cannot_be_written_makes_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CGKIT_CACHE", str(tmp_path / "file" / "cache"))
    assert check(write_images(tmp_path / "images", WORTH_IT)).describe() == "20x10"


def test_odd_names_and_dates_are_no_problem(cache: Path, tmp_path: Path) -> None:
    folder = write_images(tmp_path / "images \udcff", WORTH_IT)
    (folder / "0000.png").rename(folder / "\udce4 \n.png")
    assert [check(folder).describe() for _ in range(2)] == ["20x10", "20x10"]
    assert len(remembered(cache)) == 1
    os.utime(folder / "0001.png", (0, 2**34))
    assert [check(folder).describe() for _ in range(2)] == ["20x10", "20x10"]
