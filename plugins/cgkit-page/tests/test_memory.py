"""A browser that has too little memory says so, and what to do about it. Chromium is started with a limit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from cgkit_page.exporter import Page
from pages import as_direction, open_page, paint

from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.components.generators.unet import UnetGenerator
from cgkit.contracts import ModelFacts

Start = Callable[[str], Any]


def test_too_large_an_image_is_explained_and_a_smaller_one_translated(
    export: Callable[..., Path], start: Start, tmp_path: Path
) -> None:
    large, small = paint(tmp_path / "large.png", 1000, 1000), paint(tmp_path / "small.png", 24, 32)
    page = open_page(start("disable-gpu js-flags=--wasm-max-mem-pages=500"), export("seasons"))
    page.add(large)
    page.wait(lambda: page.states() == ["failed"])
    assert "there is not enough memory for this image" in page["status"].text
    page.add(small)
    page.wait(lambda: page.states() == ["failed", "done"])


def test_too_large_a_network_is_explained(runtime: None, start: Start, tmp_path: Path) -> None:
    generator = UnetGenerator(3, 3, width=256, depth=2)
    for parameter in generator.parameters():
        parameter.data.zero_()  # a page of zeros is small
    exporter = Page(weights="fp32")
    exporter.export(OnUnitRange(generator).eval(), torch.rand(1, 3, 32, 32), tmp_path / "large.onnx")
    exporter.assemble([as_direction(tmp_path / "large.onnx")], ModelFacts("large"), tmp_path / "large.html")
    page = open_page(start("disable-gpu js-flags=--wasm-max-mem-pages=400"), tmp_path / "large.html")
    page.add(paint(tmp_path / "image.png", 24, 32))
    page.wait(lambda: page.states() == ["failed"])
    assert "there is not enough memory for the network" in page["status"].text
