"""A page in Firefox, which reads images, draws and compiles in its own way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pages import assert_equal, expected, open_page, paint, pixels
from PIL import Image

Export = Callable[..., Path]


def test_translations_are_those_of_cgkit(folder: Path, export: Export, firefox: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = paint(tmp_path / "upright.png", 37, 51)
    rotated = paint(tmp_path / "rotated.png", 24, 40, exif=exif)
    page = open_page(firefox, export("seasons"))
    assert_equal(page.translate(upright), expected(folder, "seasons", upright))
    assert np.array_equal(page.canvas("before"), pixels(upright))
    page = open_page(firefox, export("seasons"))
    assert_equal(page.translate(rotated), expected(folder, "seasons", rotated))


def test_a_large_image_is_cancelled_and_a_small_one_translated(export: Export, firefox: Any, tmp_path: Path) -> None:
    large, small = paint(tmp_path / "large.png", 2000, 2600), paint(tmp_path / "small.png", 24, 32)
    page = open_page(firefox, export("seasons"))
    page.add(large)
    page.wait(lambda: "in tiles" in page["status"].text)
    page["cancel"].click()
    page.wait(lambda: page.states() == ["cancelled"] and not page["working"].is_displayed())
    page.add(small)
    page.wait(lambda: page.states() == ["cancelled", "done"] and page["result"].is_displayed())
