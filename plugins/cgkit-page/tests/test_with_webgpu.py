"""A page with WebGPU computes on the graphics card where a browser has it, and says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cgkit_page.exporter import Page
from pages import Opened, as_direction, open_page, paint

from cgkit.contracts import ModelFacts

Visit = Callable[[Path | str], Opened]


@pytest.fixture
def page(exported: Callable[..., Path], tmp_path: Path) -> Path:
    Page(webgpu=True).assemble([as_direction(exported("int16"))], ModelFacts("model"), tmp_path / "model.html")
    return tmp_path / "model.html"


def test_both_devices_give_the_same_translation(
    page: Path, start: Callable[[str], Any], visit: Visit, tmp_path: Path
) -> None:
    image = paint(tmp_path / "image.png", 24, 32)
    slow = visit(page)
    wanted = slow.translate(image)
    assert slow["status"].text.endswith("with WebAssembly")
    fast = open_page(start("enable-unsafe-webgpu use-webgpu-adapter=swiftshader"), page)
    assert np.abs(fast.translate(image) - wanted).max() <= 1
    assert fast["status"].text.endswith("with WebGPU")
    assert fast.console() == []
