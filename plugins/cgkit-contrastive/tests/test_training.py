"""The specs of the README train one direction, and continue exactly."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from cgkit.checkpoints import list_checkpoints
from cgkit.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text()
SPECS = dict(re.findall(r"<!-- spec: (\w+) -->\n```toml\n(.*?)```", README, re.DOTALL))

TINY = """
[data]
source = "seasons"
size = 32
train = 4
test = 2
workers = 0
[generator]
name = "resnet"
width = 4
blocks = 1
[discriminator]
name = "patch"
width = 4
layers = 1
[samples]
every = 2
count = 1
[evaluation]
count = 2
[log]
every = 1
"""

Train = Callable[..., Path]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    def train(spec: str, folder: str, *settings: str, device: str = "cpu") -> Path:
        file = tmp_path / f"{spec}.toml"
        file.write_text(SPECS[spec].replace("[train]", "[train]\nbatch = 2") + TINY)
        overrides = [part for setting in settings for part in ("--set", setting)]
        with pytest.raises(SystemExit) as stop:
            main(["run", str(file), "--output", str(tmp_path / folder), "--device", device, *overrides])
        assert not stop.value.code
        return tmp_path / folder

    return train


def final(folder: Path) -> dict[str, Tensor]:
    newest = list_checkpoints(folder / "checkpoints")[-1]
    files = sorted(newest.glob("*.safetensors"))
    return {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


@pytest.mark.parametrize("spec", ["cut", "fastcut"])
def test_only_one_direction_is_trained_scored_and_saved(spec: str, train: Train) -> None:
    folder = train(spec, "run", "train.steps=2")
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    losses = {name for line in lines for name in line if name.endswith(("_a2b", "_b2a", "_a", "_b"))}
    assert {"patch-nce_a2b", "adversarial_a2b", "discriminator_b", "psnr_a2b"} <= losses
    assert not any(name.endswith(("_b2a", "_a")) or name.startswith("cycle") for name in losses)
    assert json.loads((folder / "model" / "config.json").read_text())["directions"] == ["a2b"]
    tensors = load_file(folder / "model" / "model.safetensors")
    assert tensors
    assert all(name.startswith("a2b.") for name in tensors)


@pytest.mark.parametrize("settings", [(), ("train.memory=low", "train.accumulate=2"), ("train.precision=bf16",)])
def test_a_run_continues_bit_for_bit(settings: tuple[str, ...], train: Train) -> None:
    constant = ("schedule.name=constant", "train.precision=fp32", *settings)
    straight = final(train("cut", "straight", "train.steps=4", *constant))
    train("cut", "halted", "train.steps=2", *constant)
    resumed = final(train("cut", "halted", "train.steps=4", *constant))
    assert "components/patch-nce_a2b.heads.0.0.weight" in straight
    assert [name for name in straight if not torch.equal(straight[name], resumed[name])] == []


def test_a_cuda_graph_changes_no_bit(train: Train) -> None:
    on_gpu = torch.cuda.is_available()
    settings = ("train.steps=4", "train.precision=bf16")
    eager = train("cut", "eager", *settings, "train.cuda_graph=false", device="cuda" if on_gpu else "cpu")
    recorded = train("cut", "recorded", *settings, device="cuda" if on_gpu else "cpu")
    assert json.loads((recorded / "environment.json").read_text())["arithmetic"]["cuda_graph"] is on_gpu
    expected, found = final(eager), final(recorded)
    assert [name for name in expected if not torch.equal(expected[name], found[name])] == []
