from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cgkit.engine.launch import run
from tests.conftest import TINY, Result

Cli = Callable[..., Result]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", overrides=["train.ema=0.5"], output=folder / "run").folder


def test_the_largest_difference_is_told(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    result = cgkit("export", trained, "--format", "torch-export", "--output", tmp_path / "model.pt2", "--json")
    assert result.code == 0
    assert result.json["largest_difference"] <= 1e-5
    assert [1, 3, 16, 16] in result.json["compared_on"]
    assert (tmp_path / "model.pt2").stat().st_size > 10_000


def test_the_weights_that_are_asked_for_are_written(cgkit: Cli, trained: Path, tmp_path: Path) -> None:
    files = {}
    for weights in ("ema", "raw"):
        arguments = ("--format", "published", "--weights", weights, "--direction", "b2a")
        result = cgkit("export", trained, *arguments, "--output", tmp_path / f"{weights}.pth")
        assert result.code == 0
        assert "differs by at most 0.0e+00" in result.err
        files[weights] = torch.load(tmp_path / f"{weights}.pth", weights_only=True)
    assert files["ema"].keys() == files["raw"].keys()
    assert not torch.equal(files["ema"]["model.1.weight"], files["raw"]["model.1.weight"])
    assert not files["ema"]["model.1.bias"].any()


def test_no_model_no_export(cgkit: Cli, tmp_path: Path) -> None:
    result = cgkit("export", tmp_path, "--format", "onnx", "--output", tmp_path / "model.onnx")
    assert result.code == 5
    assert "holds no model" in result.err
