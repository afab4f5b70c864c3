from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import Result, load_image
from tests.exchange.published_networks import Resnet, drawn

Cli = Callable[..., Result]


class Command:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_an_imported_model_is_described_and_translates(
    cgkit: Cli, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    """From a related code base: affine norms, and another name for the layers of a block."""
    tensors = drawn(Resnet(3, 3, 4, 2, norm="affine instance")).state_dict()
    torch.save({n.replace("conv_block", "block"): t for n, t in tensors.items()}, tmp_path / "G_A2B_epoch33.pth")
    result = cgkit("import", tmp_path / "G_A2B_epoch33.pth", "--output", tmp_path / "model", "--direction", "b2a")
    assert result.code == 0
    numbers = sum(tensor.numel() for tensor in tensors.values())
    assert "b2a: resnet (width 4, blocks 2," in result.err
    assert "affine true" in result.err
    assert f"the file has {numbers:,}" in result.err
    inputs = image_folder("inputs", count=1)
    assert cgkit("translate", tmp_path / "model", inputs, "--output", tmp_path / "out", "--direction", "b2a").code == 0
    assert load_image(tmp_path / "out" / "image-0.png").size == (24, 20)
    assert cgkit("translate", tmp_path / "model", inputs, "--output", tmp_path / "other").code == 5


def test_a_hostile_file_is_refused_with_exit_code_5_and_no_side_effects(cgkit: Cli, tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1), "command": Command(tmp_path / "marker")}, tmp_path / "weights.pth")
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model", "--json")
    assert result.code == 5
    assert result.json["error"]["exit_code"] == 5
    assert "Traceback" not in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


@pytest.mark.parametrize("arguments", [(), ("x.pth", "--a2b", "y.pth")])
def test_file_excludes_the_options_per_direction(cgkit: Cli, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    result = cgkit("import", *arguments, "--output", tmp_path / "model")
    assert result.code == 2
    assert "--a2b and --b2a" in result.err
