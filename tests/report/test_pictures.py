from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgkit.report.pictures import CHOICES, MOST_BYTES, MOST_ROWS, Picture, gallery, picture
from cgkit.runs.sample_sheet import Column, Sheet


def noise(side: int, seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def opened(made: Picture) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(made.source.partition(",")[2])))


@pytest.fixture
def sheets(tmp_path: Path) -> Callable[..., dict[int, Path]]:
    """Writes sheets of noise, at steps 10, 20 and so on."""

    def write(count: int, *, side: int = 8, rows: int = 2, images: str = "x") -> dict[int, Path]:
        files = {}
        for step in range(10, 10 * count + 1, 10):
            columns = tuple(
                Column(direction, role, tuple(noise(side, step + row) for row in range(rows)))
                for direction in ("a2b", "b2a")
                for role in ("source", "translation", "back")
            )
            files[step] = tmp_path / f"{images}-{step}.png"
            Sheet(columns, {"a": ("one", "two"), "b": ("three",)}, images).write(files[step])
        return files

    return write


def test_translations_have_a_picture_for_each_step_and_sources_one(sheets: Callable[..., dict[int, Path]]) -> None:
    made = gallery(sheets(3))
    assert made is not None
    assert made.steps == (10, 20, 30)
    assert list(made.directions) == ["a2b", "b2a"]
    first, second = made.directions["b2a"]
    assert (first.name, second.name) == ("three", "")
    assert [(cell.role, cell.title, len(cell.pictures)) for cell in first.cells] == [
        *(("source", "b", 1), ("translation", "b to a", 3), ("back", "and back", 3))
    ]
    assert not made.aligned
    assert made.remarks == ()


def test_a_page_stays_small_however_long_and_large_a_run(sheets: Callable[..., dict[int, Path]]) -> None:
    made = gallery(sheets(25, side=100, rows=MOST_ROWS + 1))
    assert made is not None
    assert (made.steps[0], made.steps[-1]) == (10, 250)
    assert len(made.steps) <= CHOICES[0][1]
    assert len(made.directions["a2b"]) == MOST_ROWS
    sources = [one.source for row in made.directions["a2b"] for cell in row.cells for one in cell.pictures]
    # Noise is the hardest to compress.
    assert 2 * sum(map(len, sources)) <= 1.1 * MOST_BYTES
    told = " ".join(made.remarks)
    assert f"{len(made.steps)} of 25 sheets are shown" in told
    assert f"{MOST_ROWS} test images of each direction are shown; the sheets have more" in told


def test_small_pictures_keep_their_size_and_nearly_their_colours() -> None:
    image = Image.new("RGB", (16, 16), (200, 30, 60))
    image.paste((20, 200, 230), (0, 0, 3, 16))
    made = picture(image, 64)
    assert (made.width, made.height) == (16, 16)
    difference = np.asarray(opened(made).convert("RGB"), float) - np.asarray(image, float)
    assert np.abs(difference).mean() < 8, "colours are as fine as brightness"
    assert opened(picture(noise(100, 1).resize((100, 50)), 20)).size == (20, 10)


@pytest.mark.parametrize("side", [16, 64, 147, 148, 256, 384, 1120])
def test_noise_can_be_shown_at_any_size(side: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    assert opened(picture(Image.fromarray(pixels), side)).size == (side, side)


def test_sheets_without_a_layout_are_shown_whole(tmp_path: Path) -> None:
    for step in (1, 2):
        noise(50, step).save(tmp_path / f"{step}.png")
    made = gallery({step: tmp_path / f"{step}.png" for step in (1, 2)})
    assert made is not None
    ((row,),) = made.directions.values()
    assert (made.steps, [cell.role for cell in row.cells]) == ((1, 2), ["sheet"])
    assert len(row.cells[0].pictures) == 2


def test_only_sheets_like_the_newest_are_shown(sheets: Callable[..., dict[int, Path]], tmp_path: Path) -> None:
    old = sheets(1, images="others")
    noise(50, 1).save(tmp_path / "old.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    new = {step + 20: file for step, file in sheets(2, images="new").items()}
    made = gallery({1: tmp_path / "bad.png", 2: tmp_path / "old.png", **old, **new})
    assert made is not None
    assert made.steps == (30, 40)
    assert [remark for remark in made.remarks if "2 earlier sheets have another layout" in remark]
    assert [remark for remark in made.remarks if "bad.png is no sheet of test images" in remark]


def test_without_a_readable_sheet_there_is_nothing_to_show(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    assert gallery({1: tmp_path / "bad.png"}) is None
    assert gallery({}) is None
