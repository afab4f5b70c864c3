"""Each optimiser follows its paper, trains, and resumes exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from cgkit_optimizers.adabelief import adabelief
from cgkit_optimizers.lion import lion
from safetensors.torch import load_file
from torch import Tensor, nn

from cgkit.checkpoints import list_checkpoints
from cgkit.cli import main

SPEC = """
name = "optimizers"
[data]
size = 16
train = 4
test = 2
workers = 0
[generator]
width = 4
blocks = 1
[discriminator]
width = 4
layers = 1
[optimizer]
name = "adabelief"
[optimizer.discriminators]
name = "lion"
[schedule]
name = "warm-up"
steps = 3
then = { name = "constant" }
[train]
steps = 4
batch = 2
precision = "fp32"
[samples]
count = 1
[evaluation]
count = 1
"""


def test_lion_moves_every_weight_by_the_learning_rate() -> None:
    parameter = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = lion([parameter], 0.25)
    parameter.grad = torch.tensor([0.001, -100.0, 0.0])
    optimizer.step()
    assert parameter.tolist() == [0.75, -1.75, 3.0]


def test_adabelief_takes_long_steps_if_the_gradient_is_as_expected() -> None:
    steady, changing = (nn.Parameter(torch.zeros(1)) for _ in range(2))
    for parameter, gradients in ((steady, [1.0] * 20), (changing, [3.0, -1.0] * 10)):
        optimizer = adabelief([parameter], 0.01)
        for gradient in gradients:
            parameter.grad = torch.tensor([gradient])
            optimizer.step()
    assert abs(steady.item()) > 3 * abs(changing.item())


@pytest.fixture
def train(tmp_path: Path) -> Callable[[str, int], dict[str, Tensor]]:
    (tmp_path / "spec.toml").write_text(SPEC)

    def train(folder: str, steps: int) -> dict[str, Tensor]:
        output = tmp_path / folder
        settings = ["--output", output, "--set", f"train.steps={steps}", "--device", "cpu"]
        with pytest.raises(SystemExit) as stop:
            main(["run", *map(str, (tmp_path / "spec.toml", *settings))])
        assert not stop.value.code
        return load_file(list_checkpoints(output / "checkpoints")[-1] / "model.safetensors")

    return train


def test_a_run_with_two_optimisers_and_a_warm_up_resumes_bit_for_bit(
    train: Callable[[str, int], dict[str, Tensor]],
) -> None:
    straight = train("straight", 4)
    train("halted", 2)
    resumed = train("halted", 4)
    assert straight.keys() == resumed.keys()
    assert [name for name in straight if not torch.equal(straight[name], resumed[name])] == []
