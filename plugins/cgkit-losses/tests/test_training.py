"""Networks can be trained with each loss from the command line."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SPEC = """
name = "losses"
seed = 3

[data]
source = "seasons"
size = {size}
train = 4
test = 2
workers = 0

[generator]
name = "resnet"
width = 4
blocks = 1

[discriminator]
name = "{discriminator}"
width = 4
layers = 1

{losses}

[train]
steps = 2
batch = 2
precision = "{precision}"

[log]
every = 1

[samples]
every = 2
count = 1

[evaluation]
count = 1
"""

LOSSES = {
    "relativistic least squares": '[adversarial_loss]\nname = "relativistic-average"',
    "relativistic bce": '[adversarial_loss]\nname = "relativistic-average"\nform = "bce"',
    "softplus-r1": '[adversarial_loss]\nname = "softplus-r1"',
    "self-similarity": '[cycle_loss]\nname = "self-similarity"\n[identity_loss]\nname = "self-similarity"\nscales = 1',
    "perceptual-random": '[cycle_loss]\nname = "perceptual-random"\nseed = 4',
}


def write_spec(folder: Path, losses: str, **values: object) -> Path:
    values = {"size": 16, "discriminator": "patch", "precision": "fp32", **values}
    file = folder / "spec.toml"
    file.write_text(SPEC.format(losses=losses, **values))
    return file


def read_metrics(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def assert_trained(folder: Path) -> None:
    lines = read_metrics(folder)
    assert [line["step"] for line in lines if "cycle_forward" in line] == [1, 2]
    assert all(math.isfinite(value) for line in lines for value in line.values() if isinstance(value, float))


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_trains_for_two_steps(name: str, tmp_path: Path, cgkit: Callable[..., int]) -> None:
    spec = write_spec(tmp_path, LOSSES[name])
    assert cgkit("run", spec, "--output", tmp_path / "run", "--device", "cpu") == 0
    assert_trained(tmp_path / "run")


@pytest.mark.parametrize("name", ["relativistic bce", "softplus-r1"])
def test_adversarial_losses_accept_logits_of_several_scales(
    name: str, tmp_path: Path, cgkit: Callable[..., int]
) -> None:
    spec = write_spec(tmp_path, LOSSES[name], discriminator="multiscale", size=32)
    assert cgkit("run", spec, "--output", tmp_path / "run", "--device", "cpu") == 0
    assert_trained(tmp_path / "run")


def test_the_losses_train_in_bf16_in_a_separate_process(tmp_path: Path) -> None:
    losses = "\n".join([LOSSES["softplus-r1"], LOSSES["self-similarity"]])
    spec = write_spec(tmp_path, losses, precision="bf16", size=32)
    command = [sys.executable, "-m", "cgkit", "run", str(spec), "--output", str(tmp_path / "run"), "--device", "cpu"]
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, timeout=240)
    assert_trained(tmp_path / "run")
    assert all("penalty_a" in line for line in read_metrics(tmp_path / "run") if "cycle_forward" in line)
