from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgkit.images.sheet import Column, Sheet
from cgkit.report.pictures import CHOICES, MAX_BYTES, MAX_ROWS, Picture, gallery, picture


def noise(side: int, seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def decode(encoded: Picture) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(encoded.source.partition(",")[2])))


@pytest.fixture
def sheets(tmp_path: Path) -> Callable[..., dict[int, Path]]:
    """Writes sheets of noise at steps 10, 20, ..."""

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


def test_translations_have_a_picture_per_step_and_sources_a_single_one(sheets: Callable[..., dict[int, Path]]) -> None:
    shown = gallery(sheets(3))
    assert shown is not None
    assert shown.steps == (10, 20, 30)
    assert list(shown.directions) == ["a2b", "b2a"]
    first, second = shown.directions["b2a"]
    assert (first.name, second.name) == ("three", "")
    assert [(cell.role, cell.title, len(cell.pictures)) for cell in first.cells] == [
        *(("source", "source", 1), ("translation", "translation", 3), ("back", "reconstruction", 3))
    ]
    assert not shown.aligned
    assert shown.remarks == ()


def test_the_gallery_of_a_long_and_large_run_stays_small(sheets: Callable[..., dict[int, Path]]) -> None:
    shown = gallery(sheets(25, side=100, rows=MAX_ROWS + 1))
    assert shown is not None
    assert (shown.steps[0], shown.steps[-1]) == (10, 250)
    assert len(shown.steps) <= CHOICES[0][1]
    assert len(shown.directions["a2b"]) == MAX_ROWS
    sources = [image.source for row in shown.directions["a2b"] for cell in row.cells for image in cell.pictures]
    # Noise is the worst case for compression.
    assert 2 * sum(map(len, sources)) <= 1.1 * MAX_BYTES
    remarks = " ".join(shown.remarks)
    assert f"{len(shown.steps)} of 25 sample sheets are shown" in remarks
    assert f"{MAX_ROWS} test images per direction are shown; the sheets in samples/ have more" in remarks


def test_small_pictures_keep_their_size_and_almost_their_colours() -> None:
    image = Image.new("RGB", (16, 16), (200, 30, 60))
    image.paste((20, 200, 230), (0, 0, 3, 16))
    encoded = picture(image, 64)
    assert (encoded.width, encoded.height) == (16, 16)
    difference = np.asarray(decode(encoded).convert("RGB"), float) - np.asarray(image, float)
    assert np.abs(difference).mean() < 8, "chroma is not subsampled"
    assert decode(picture(noise(100, 1).resize((100, 50)), 20)).size == (20, 10)


@pytest.mark.parametrize("side", [16, 64, 147, 148, 256, 384, 1120])
def test_noise_can_be_encoded_at_any_size(side: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    assert decode(picture(Image.fromarray(pixels), side)).size == (side, side)


def test_sheets_without_a_layout_are_shown_whole(tmp_path: Path) -> None:
    for step in (1, 2):
        noise(50, step).save(tmp_path / f"{step}.png")
    shown = gallery({step: tmp_path / f"{step}.png" for step in (1, 2)})
    assert shown is not None
    ((row,),) = shown.directions.values()
    assert (shown.steps, [cell.role for cell in row.cells]) == ((1, 2), ["sheet"])
    assert len(row.cells[0].pictures) == 2


def test_only_sheets_with_the_newest_layout_are_shown(sheets: Callable[..., dict[int, Path]], tmp_path: Path) -> None:
    old = sheets(1, images="others")
    noise(50, 1).save(tmp_path / "old.png")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    new = {step + 20: file for step, file in sheets(2, images="new").items()}
    shown = gallery({1: tmp_path / "bad.png", 2: tmp_path / "old.png", **old, **new})
    assert shown is not None
    assert shown.steps == (30, 40)
    assert [remark for remark in shown.remarks if "Not shown: 2 earlier sheets with a different layout." in remark]
    assert [remark for remark in shown.remarks if "bad.png is not a sample sheet" in remark]


def test_there_is_no_gallery_without_a_readable_sheet(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"")
    assert gallery({1: tmp_path / "bad.png"}) is None
    assert gallery({}) is None
