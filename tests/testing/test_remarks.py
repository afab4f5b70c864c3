"""What an author should know is reported without failing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.conftest import Result

PLUGIN = """
import cgkit
from torch import nn


class Local(nn.Sequential):
    'Looks at each pixel.'

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, 1), nn.Tanh())


class Global(Local):
    'Looks at the whole image.'

    def forward(self, images):
        return super().forward(images - images.mean((2, 3), keepdim=True))


@cgkit.hookimpl
def cgkit_register(registries):
    registries.generators.add("local", Local)
    registries.generators.add("global", Global)
"""


def test_whether_images_can_be_translated_in_tiles_is_reported(cgkit: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "views.py"
    file.write_text(PLUGIN)
    assert "note" not in cgkit("plugins", "check", file, "--component", "local").out
    result = cgkit("plugins", "check", file, "--component", "global")
    assert result.code == 0
    (note,) = [line for line in result.out.splitlines() if "translates-in-tiles" in line]
    assert note.startswith("  note  translates-in-tiles: images larger than memory cannot be translated: ")
