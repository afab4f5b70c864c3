"""Runs on a GPU are reproducible: the seed decides the result, and a resumed run continues bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cgkit.checkpoints.layout import list_checkpoints
from cgkit.plugins import Plugins
from cgkit.runs.start import run
from tests.conftest import RecordingReporter

pytestmark = pytest.mark.gpu

SETTINGS = (
    "data.size=32",
    "train.steps=8",
    "train.precision=bf16",
    "train.ema=0.9",
    "train.image_pool=4",
    "checkpoint.every=4",
    "checkpoint.keep=9",
    "schedule.name=constant",
)


def train(spec: Path, name: str, plugins: Plugins, *settings: str) -> Path:
    output = spec.parent / name
    run(spec, overrides=[*SETTINGS, *settings], output=output, plugins=plugins)
    return output


def tensors(folder: Path, step: int = -1) -> dict[str, torch.Tensor]:
    files = sorted(list_checkpoints(folder / "checkpoints")[step].glob("*.safetensors"))
    return {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


def assert_equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


@pytest.mark.parametrize("precision", ["bf16", "tf32", "fp32"])
def test_the_seed_decides_the_result(tiny_spec: Path, plugins: Plugins, precision: str) -> None:
    setting = f"train.precision={precision}"
    first, again = (tensors(train(tiny_spec, name, plugins, setting)) for name in ("first", "again"))
    other = tensors(train(tiny_spec, "other", plugins, setting, "seed=9"))
    assert_equal(first, again)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_workers_change_nothing(tiny_spec: Path, plugins: Plugins) -> None:
    alone, helped = (tensors(train(tiny_spec, f"w{n}", plugins, f"data.workers={n}")) for n in (0, 2))
    assert_equal(alone, helped)


@pytest.mark.parametrize("graph", ["true", "false"])
def test_a_resumed_run_continues_bit_for_bit(tiny_spec: Path, plugins: Plugins, graph: str) -> None:
    setting = f"train.cuda_graph={graph}"
    whole = train(tiny_spec, "whole", plugins, setting)
    parts = train(tiny_spec, "parts", plugins, setting, "train.steps=4")
    assert_equal(tensors(parts), tensors(whole, 0))
    assert_equal(tensors(train(tiny_spec, "parts", plugins, setting)), tensors(whole))


def test_a_graph_changes_no_bit_of_a_run(tiny_spec: Path, plugins: Plugins) -> None:
    eager, recorded = (
        tensors(train(tiny_spec, f"graph-{graph}", plugins, f"train.cuda_graph={graph}")) for graph in ("false", "true")
    )
    assert_equal(eager, recorded)


def test_the_run_says_how_it_computed(tiny_spec: Path, plugins: Plugins) -> None:
    folder = train(tiny_spec, "run", plugins)
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["arithmetic"] == {"precision": "bf16", "deterministic": True, "cuda_graph": True}


def test_a_step_without_a_graph_says_why(tiny_spec: Path, plugins: Plugins) -> None:
    reporter = RecordingReporter()
    run(
        tiny_spec,
        overrides=[*SETTINGS, "adversarial_loss.name=wasserstein"],
        output=tiny_spec.parent / "run",
        plugins=plugins,
        reporter=reporter,
    )
    assert any("CUDA graph" in text and "differentiated twice" in text for text in reporter.warnings)
