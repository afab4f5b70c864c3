"""Optimisers and schedules for each pair of networks, critic steps, and steps that must not be applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from cgkit.checkpoints import list_checkpoints
from cgkit.engine.assembly import assemble
from cgkit.engine.precision import Precision
from cgkit.engine.trainer import Trainer
from cgkit.errors import DivergedError
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.start import run
from cgkit.spec import resolve_spec
from tests.engine.test_trainer import batch

TINY = {
    "data": {"source": "seasons", "size": 16},
    "generator": {"name": "resnet", "width": 4, "blocks": 1},
    "discriminator": {"name": "patch", "width": 4, "layers": 1},
    "schedule": {"name": "constant"},
}


def trainer(plugins: Plugins, **tables: Any) -> Trainer:
    spec = resolve_spec({**TINY, **tables}, plugins)
    precision = Precision("fp64", torch.device("cpu"))
    return Trainer(assemble(spec, plugins), spec, steps=10, epoch_steps=5, precision=precision)


def weights(trainer: Trainer) -> dict[str, list[Tensor]]:
    pairs = {"generators": trainer.model.generators, "discriminators": trainer.model.discriminators}
    return {name: [parameter.detach().clone() for parameter in pair.parameters()] for name, pair in pairs.items()}


def changed(before: dict[str, list[Tensor]], after: dict[str, list[Tensor]]) -> set[str]:
    return {name for name in before if not all(map(torch.equal, before[name], after[name]))}


def test_each_pair_of_networks_has_its_own_optimiser_rate_and_schedule(plugins: Plugins) -> None:
    training = trainer(
        plugins,
        optimizer={"name": "adam", "discriminators": {"name": "adamw", "weight_decay": 0.5}},
        schedule={"name": "constant", "discriminators": {"name": "warm-up", "steps": 4}},
        train={"learning_rate": 1e-3, "discriminator_learning_rate": 2e-3},
    )
    generators, discriminators = training.optimizers.generators, training.optimizers.discriminators
    assert (type(generators).__name__, type(discriminators).__name__) == ("Adam", "AdamW")
    assert discriminators.param_groups[0]["weight_decay"] == 0.5
    for factor in (0.25, 0.5, 0.75, 1.0, 1.0):
        training.step([batch(1)])
        assert generators.param_groups[0]["lr"] == 1e-3
        assert discriminators.param_groups[0]["lr"] == pytest.approx(2e-3 * factor)


def test_generators_learn_in_every_nth_step_only(plugins: Plugins) -> None:
    training = trainer(plugins, train={"discriminator_steps": 3, "ema": 0.5})
    assert training.moving_average is not None
    learned, updates = [], []
    for number in range(6):
        before = weights(training)
        losses = training.step([batch(number)])
        training.settle()
        learned.append(changed(before, weights(training)))
        updates.append(training.moving_average.updates)
        assert ("cycle_forward" in losses) == (number in (2, 5))
        assert "discriminator_a" in losses
    assert learned == [{"discriminators"}, {"discriminators"}, {"generators", "discriminators"}] * 2
    assert updates == [0, 0, 1, 1, 1, 2]


def test_a_run_with_critic_steps_resumes_bit_for_bit_between_them(tiny_spec: Path, tmp_path: Path) -> None:
    def train(folder: str, steps: int) -> dict[str, Tensor]:
        settings = [f"train.steps={steps}", "train.discriminator_steps=3", "schedule.name=constant", "train.ema=0.9"]
        run(tiny_spec, overrides=[*settings, "adversarial_loss.name=wasserstein"], output=tmp_path / folder)
        newest = list_checkpoints(tmp_path / folder / "checkpoints")[-1]
        files = sorted(newest.glob("*.safetensors"))
        return {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}

    straight = train("straight", 7)
    train("halted", 4)
    resumed = train("halted", 7)
    assert straight.keys() == resumed.keys()
    assert [name for name in straight if not torch.equal(straight[name], resumed[name])] == []


class Momentum(torch.optim.SGD):
    """An optimiser that cannot skip a step by itself.

    Args:
        share: the share of the last step that the next one keeps.
    """

    def __init__(self, parameters: list[torch.nn.Parameter], learning_rate: float, *, share: float = 0.9) -> None:
        super().__init__(parameters, lr=learning_rate, momentum=share, foreach=False)


@pytest.mark.parametrize("name", ["adam", "momentum"])
def test_a_step_that_is_not_finite_is_not_applied_by_any_optimiser(name: str) -> None:
    plugins = load_plugins(installed=False)
    plugins.registries.optimizers.add("momentum", Momentum)
    training = trainer(plugins, optimizer={"name": name})
    training.step([batch(1)])
    training.settle()
    before = weights(training)
    state = {key: tensor.clone() for key, tensor in training.optimizers.tensors().items()}
    spoilt = batch(2)
    spoilt.real_a.fill_(float("nan"))
    training.step([spoilt])
    with pytest.raises(DivergedError):
        training.settle()
    assert changed(before, weights(training)) == set()
    after = training.optimizers.tensors()
    assert all(torch.equal(state[key], after[key]) for key in state if not key.endswith("step"))
    training.step([batch(3)])
    training.settle()
    assert changed(before, weights(training)) == {"generators", "discriminators"}
