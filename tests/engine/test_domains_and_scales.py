"""State of adversarial losses mixes neither domains nor scales; augmentations may belong to one domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cgkit.engine.assembly import Assembly, assemble
from cgkit.errors import SpecError
from cgkit.plugins import Plugins, load_plugins
from cgkit.spec import resolve_spec

TINY = {
    "data": {"source": "seasons", "size": 32, "train": 4, "test": 2},
    "generator": {"name": "resnet", "width": 2, "blocks": 1},
}


class Averaging(nn.Module):
    """Least squares around a moving average of the real logits."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("positions", torch.zeros((), dtype=torch.int64))

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        self.mean.lerp_(real_logits.detach().mean(), 0.5)
        self.positions.fill_(real_logits[0].numel())
        return (real_logits - self.mean - 1).square().mean() + fake_logits.square().mean()

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        return (fake_logits - self.mean - 1).square().mean()


Make = Callable[..., Assembly]


@pytest.fixture
def assembled() -> Make:
    plugins = load_plugins(installed=False)
    plugins.registries.adversarial_losses.add("averaging", Averaging)

    def make(**tables: Any) -> Assembly:
        return assemble(resolve_spec({**TINY, **tables}, plugins), plugins)

    return make


def test_a_loss_with_state_has_an_instance_for_each_domain_and_scale(assembled: Make) -> None:
    discriminator = {"name": "multiscale", "width": 2, "layers": 1, "scales": 2}
    built = assembled(discriminator=discriminator, adversarial_loss={"name": "averaging"})
    model, objective = built.model, built.objective
    images = torch.rand(2, 2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    cycle = model(*images).detach()
    objective.discriminators(model, cycle, objective.fakes(cycle))
    losses = objective.adversarial.losses
    assert len(losses) == 4
    positions = [int(loss.positions) for loss in losses]  # type: ignore[attr-defined]
    assert positions[:2] == positions[2:]
    assert positions[0] > positions[1]
    assert len({float(loss.mean) for loss in losses}) == 4  # type: ignore[attr-defined]
    names = set(objective.parts.state_dict())
    assert {f"adversarial_losses_{domain}.{scale}.mean" for domain in "ab" for scale in (0, 1)} <= names


def test_a_loss_without_state_is_shared_by_all_scales(assembled: Make) -> None:
    built = assembled(discriminator={"name": "multiscale", "width": 2, "layers": 1, "scales": 2})
    assert len(built.objective.adversarial.losses) == 2


def test_an_augmentation_may_belong_to_one_domain(assembled: Make) -> None:
    built = assembled(
        augmentation=[
            {"name": "resize-and-crop"},
            {"name": "noise", "domain": "a"},
            {"name": "flip"},
            {"name": "diff-augment", "domain": "b"},
        ]
    )
    names = [[type(module).__name__ for module in preparation.augmentations] for preparation in built.preparations]
    assert names == [["Noise", "Flip"], ["Flip"]]
    assert not built.objective.parts["augmentations_a"]
    assert len(built.objective.parts["augmentations_b"]) == 1  # type: ignore[arg-type]


def test_each_domain_may_have_its_own_framing_but_not_two(assembled: Make, plugins: Plugins) -> None:
    framings = [{"name": "resize-and-crop", "domain": domain} for domain in "ab"]
    built = assembled(augmentation=framings)
    assert built.preparations[0].framing is not built.preparations[1].framing
    with pytest.raises(SpecError, match="second framing"):
        assembled(augmentation=[*framings, {"name": "resize-and-crop", "domain": "b"}])
