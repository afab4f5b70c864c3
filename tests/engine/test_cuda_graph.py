"""What can be known without a GPU about recording steps; tests/gpu has the rest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from cgkit.components.augmentations.diff_augment import DiffAugment
from cgkit.data.loading import Batch
from cgkit.data.randomness import seeded
from cgkit.engine.assembly import assemble
from cgkit.engine.gpu.arithmetic import arithmetic
from cgkit.engine.gpu.fixed_draws import FixedDraws
from cgkit.engine.precision import Precision
from cgkit.engine.trainer import Trainer
from cgkit.plugins import Plugins
from cgkit.spec import resolve_spec

CPU = torch.device("cpu")


def trainer(plugins: Plugins, tables: dict[str, Any]) -> Trainer:
    values = {
        "data": {"source": "seasons", "size": 16},
        "generator": {"name": "resnet", "width": 2, "blocks": 1},
        "discriminator": {"name": "patch", "width": 2, "layers": 1},
        **tables,
    }
    spec = resolve_spec(values, plugins)
    built = assemble(spec, plugins)
    return Trainer(built, spec, steps=9, epoch_steps=9, precision=Precision("fp32", CPU))


class Adaptive(DiffAugment):
    def observe(self, real_logits: list[torch.Tensor]) -> None: ...


class Undeclared(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images + torch.rand(())


@pytest.mark.parametrize(
    ("tables", "augmentation", "reason"),
    [
        ({"adversarial_loss": {"name": "wasserstein"}}, None, "differentiated twice"),
        ({"train": {"memory": "low"}}, None, 'memory = "low"'),
        ({}, Adaptive(), "adapts to the discriminator"),
        ({}, Undeclared(), "no method `draw`"),
    ],
)
def test_a_step_that_cannot_be_recorded_says_why_and_trains(
    plugins: Plugins, tables: dict[str, Any], augmentation: nn.Module | None, reason: str
) -> None:
    training = trainer(plugins, tables)
    if augmentation is not None:
        training.objective.adversarial._augmentations = {"a": (augmentation,), "b": (augmentation,)}
    images = torch.zeros(1, 3, 16, 16)
    batch = Batch(images, images, ("a",), ("b",))
    assert reason in str(training.record([batch]))
    assert not training.is_recorded
    training.step([batch])
    training.settle()


def test_fixed_draws_are_those_of_the_step() -> None:
    augmentations = [DiffAugment(), DiffAugment(cutout=0.2)]
    images = torch.rand(3, 3, 8, 8)
    draws = FixedDraws()
    draws.next(augmentations, images)
    draws.next(augmentations[:1], images[:2])
    for step in range(3):
        torch.manual_seed(step)
        draws.refill()
        draws.restart()
        found = [*draws.next(augmentations, images), *draws.next(augmentations[:1], images[:2])]
        torch.manual_seed(step)
        expected = []
        for group, count in ((augmentations, 3), (augmentations[:1], 2)):
            with seeded(int(torch.randint(2**62, ()))):
                expected += [augmentation.draw(count) for augmentation in group]
        assert all(torch.equal(one, other) for (one,), other in zip(found, expected, strict=True))


def test_the_arithmetic_of_a_cpu_is_left_alone() -> None:
    with arithmetic(Precision("tf32", CPU), deterministic=True):
        assert not torch.are_deterministic_algorithms_enabled()
