from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cgkit.runs.start import run
from tests.conftest import TINY, Result

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", overrides=["train.ema=0.5"], output=folder / "run").folder


def test_the_chosen_weights_are_written_and_the_largest_difference_is_printed(
    cgkit: Cli, trained: Path, tmp_path: Path
) -> None:
    file = tmp_path / "net.pth"
    arguments = ("--format", "published", "--weights", "raw", "--direction", "b2a")
    result = cgkit("export", trained, *arguments, "--output", file, "--json")
    assert result.code == 0
    assert result.json["largest_difference"] == 0
    assert [1, 3, 16, 16] in result.json["compared_on"]
    written = torch.load(file, weights_only=True)
    raw = load_file(trained / "model" / "raw.safetensors")
    assert torch.equal(written["model.1.weight"], raw["b2a.layers.1.weight"])
    assert not written["model.1.bias"].any()


def test_a_folder_without_a_model_is_rejected(cgkit: Cli, tmp_path: Path) -> None:
    result = cgkit("export", tmp_path, "--format", "onnx", "--output", tmp_path / "model.onnx")
    assert result.code == 5
    assert "holds no model" in result.err
