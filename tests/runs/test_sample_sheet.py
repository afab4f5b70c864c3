from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from cgkit.errors import CheckpointError
from cgkit.images.sheet import KEYWORD, Column, Sheet, read_sheet


def filled(size: tuple[int, int], colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", size, colour)


def sheet_of(size: tuple[int, int], rows: int, roles: tuple[str, ...], names: tuple[str, ...] = ()) -> Sheet:
    columns = tuple(
        Column(direction, role, tuple(filled(size, (40 * row, 50 * place, 200)) for row in range(rows)))
        for direction in ("a2b", "b2a")
        for place, role in enumerate(roles)
    )
    return Sheet(columns, {"a": names, "b": names}, "a digest")


@settings(deadline=None)
@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    rows=st.integers(1, 4),
    aligned=st.booleans(),
    names=st.lists(st.text(), max_size=4).map(tuple),
)
def test_a_written_sheet_is_split_into_its_images(
    tmp_path_factory: pytest.TempPathFactory, size: tuple[int, int], rows: int, aligned: bool, names: tuple[str, ...]
) -> None:
    file = tmp_path_factory.getbasetemp() / "sheet.png"
    roles = ("source", "translation", *(("truth",) if aligned else ()), "back")
    sheet = sheet_of(size, rows, roles, names)
    sheet.write(file)
    read = read_sheet(file)
    assert isinstance(read, Sheet)
    assert (read.names, read.images, read.rows) == (sheet.names, sheet.images, rows)
    for one, other in zip(read.columns, sheet.columns, strict=True):
        assert (one.direction, one.role, one.title) == (other.direction, other.role, other.title)
        assert [image.tobytes() for image in one.pictures] == [image.tobytes() for image in other.pictures]


def test_the_file_is_an_ordinary_png(tmp_path: Path) -> None:
    sheet = sheet_of((8, 6), 2, ("source", "translation", "back"))
    sheet.write(tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as opened:
        assert opened.tobytes() == sheet.picture().tobytes()


@pytest.mark.parametrize("layout", [None, {"format": 2}], ids=["none", "newer"])
def test_a_sheet_without_a_layout_is_returned_whole(tmp_path: Path, layout: object) -> None:
    chunks = PngImagePlugin.PngInfo()
    if layout is not None:
        chunks.add_itxt(KEYWORD, json.dumps(layout))
    filled((30, 20), (1, 2, 3)).save(tmp_path / "sheet.png", pnginfo=chunks)
    read = read_sheet(tmp_path / "sheet.png")
    assert isinstance(read, Image.Image)
    assert read.size == (30, 20)


SOUND = {"format": 1, "tile": [8, 6], "columns": [], "names": {}, "images": ""}
COLUMN = {"direction": "a2b", "role": "source", "left": 4, "tops": [16]}


@pytest.mark.parametrize(
    "layout",
    [
        [],
        {"format": 1},
        SOUND,
        {**SOUND, "columns": [{**COLUMN, "tops": []}]},
        {**SOUND, "columns": [{**COLUMN, "tops": [9000]}]},
        {**SOUND, "columns": [{**COLUMN, "left": -1}]},
        {**SOUND, "columns": [{**COLUMN, "left": "far"}]},
        {**SOUND, "tile": [8], "columns": [COLUMN]},
        {**SOUND, "tile": [-8, 6], "columns": [COLUMN]},
        {**SOUND, "names": 5, "columns": [COLUMN]},
    ],
)
def test_a_layout_that_does_not_fit_its_picture_is_an_error(tmp_path: Path, layout: object) -> None:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(KEYWORD, json.dumps(layout))
    filled((30, 40), (1, 2, 3)).save(tmp_path / "sheet.png", pnginfo=chunks)
    with pytest.raises(CheckpointError, match="not a sample sheet"):
        read_sheet(tmp_path / "sheet.png")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + bytes(20)])
def test_a_file_that_is_not_a_picture_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "sheet.png").write_bytes(content)
    with pytest.raises(CheckpointError, match="not a sample sheet"):
        read_sheet(tmp_path / "sheet.png")


def test_a_small_sheet_cannot_claim_more_images_than_fit_into_it(tmp_path: Path) -> None:
    column = {"direction": "a2b", "role": "source", "left": 0, "tops": [0] * 200_000}
    layout = {"format": 1, "tile": [90, 90], "columns": [column], "names": {"a": [], "b": []}, "images": ""}
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt(KEYWORD, json.dumps(layout))
    filled((100, 100), (0, 0, 0)).save(tmp_path / "sheet.png", pnginfo=chunks)
    with pytest.raises(CheckpointError, match="its layout has more images than fit the picture"):
        read_sheet(tmp_path / "sheet.png")
