from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from cgkit.engine.assembly import Assembly, assemble
from cgkit.engine.cyclegan import Passes
from cgkit.plugins import Plugins
from cgkit.spec import resolve_spec

TINY_NETWORKS = {
    "data": {"source": "seasons", "size": 16, "train": 4, "test": 2},
    "generator": {"name": "resnet", "width": 4, "blocks": 1},
    "discriminator": {"name": "patch", "width": 4, "layers": 1},
}

ABLATION = {
    "cycle alone": ({"adversarial": 0, "identity": 0}, {"cycle_forward", "cycle_backward"}, set()),
    "GAN alone": (
        {"cycle": 0, "identity": 0},
        {"adversarial_a2b", "adversarial_b2a"},
        {"discriminator_a", "discriminator_b"},
    ),
    "GAN and forward cycle": (
        {"cycle": {"forward": 10.0, "backward": 0}, "identity": 0},
        {"adversarial_a2b", "adversarial_b2a", "cycle_forward"},
        {"discriminator_a", "discriminator_b"},
    ),
    "GAN and backward cycle": (
        {"cycle": {"forward": 0, "backward": 10.0}, "identity": 0},
        {"adversarial_a2b", "adversarial_b2a", "cycle_backward"},
        {"discriminator_a", "discriminator_b"},
    ),
    "full": (
        {"identity": 0},
        {"adversarial_a2b", "adversarial_b2a", "cycle_forward", "cycle_backward"},
        {"discriminator_a", "discriminator_b"},
    ),
    "full with identity": (
        {},
        {"adversarial_a2b", "adversarial_b2a", "cycle_forward", "cycle_backward", "identity_a", "identity_b"},
        {"discriminator_a", "discriminator_b"},
    ),
    "one direction": (
        {"adversarial": {"a2b": 1, "b2a": 0}, "cycle": {"forward": 10, "backward": 0}, "identity": 0},
        {"adversarial_a2b", "cycle_forward"},
        {"discriminator_b"},
    ),
}


@pytest.fixture
def assembled(plugins: Plugins) -> Callable[..., Assembly]:
    def build(**tables: Any) -> Assembly:
        return assemble(resolve_spec({**TINY_NETWORKS, **tables}, plugins), plugins)

    return build


def images(seed: int) -> torch.Tensor:
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("variant", ABLATION)
def test_every_variant_of_the_ablation_has_exactly_its_terms(assembled: Callable[..., Assembly], variant: str) -> None:
    weights, generator_terms, discriminator_terms = ABLATION[variant]
    assembly = assembled(objective=weights)
    objective, model = assembly.objective, assembly.model
    cycle = model(images(0), images(1), objective.passes)
    assert set(objective.generators(model, cycle, {})) == generator_terms
    detached = cycle.detach()
    assert set(objective.discriminators(model, detached, objective.fakes(detached))) == discriminator_terms


def test_a_pass_with_weight_zero_is_not_computed(assembled: Callable[..., Assembly]) -> None:
    objective = {"adversarial": {"a2b": 1, "b2a": 0}, "cycle": {"forward": 1, "backward": 0}, "identity": 0}
    assembly = assembled(objective=objective)
    calls: list[int] = []
    for generator in assembly.model.generators.values():
        generator.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    cycle = assembly.model(images(0), images(1), assembly.objective.passes)
    assert assembly.objective.passes == Passes(fake_a=False, cycled_b=False, identity_a=False, identity_b=False)
    assert calls == [2, 2]  # a to b, and back
    assert cycle.fake_a is None
    assert cycle.cycled_b is None
    assert cycle.identity_a is None


def test_weights_are_applied_to_the_terms(assembled: Callable[..., Assembly]) -> None:
    once, twice = (
        assembled(objective={"adversarial": weight, "cycle": weight, "identity": weight}) for weight in (1.0, 2.0)
    )
    cycle = once.model(images(0), images(1))
    terms = once.objective.generators(once.model, cycle, {})
    doubled = twice.objective.generators(once.model, cycle, {})
    assert {name: float(term.detach()) for name, term in doubled.items()} == pytest.approx(
        {name: 2 * float(term.detach()) for name, term in terms.items()}
    )


def test_real_and_generated_images_get_the_same_adversarial_augmentation(assembled: Callable[..., Assembly]) -> None:
    assembly = assembled(augmentation=[{"name": "diff-augment"}])
    model, objective = assembly.model, assembly.objective
    seen: list[torch.Tensor] = []
    model.discriminators["b"].register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    cycle = model(images(0), images(1)).detach()
    # Shown the real images in place of made ones, the discriminator must see no difference.
    fakes = objective.fakes(cycle)
    same = type(fakes)(a=cycle.real_a, b=cycle.real_b)
    objective.discriminators(model, cycle, same)
    real, fake = torch.cat(seen).chunk(2)
    assert torch.equal(real, fake)
    assert not torch.equal(real, cycle.real_b)


def test_the_scales_of_a_discriminator_weigh_equally(assembled: Callable[..., Assembly]) -> None:
    assembly = assembled(discriminator={"name": "multiscale", "width": 4, "layers": 1, "scales": 2})
    model, objective = assembly.model, assembly.objective
    cycle = model(images(0), images(1))
    term = objective.generators(model, cycle, {})["adversarial_a2b"]
    logits = model.discriminators["b"](cycle.fake_b)
    assert float(term.detach()) == pytest.approx(
        sum(float((scale - 1).square().mean().detach()) for scale in logits) / 2
    )


def test_a_gradient_penalty_is_a_separate_term(assembled: Callable[..., Assembly]) -> None:
    assembly = assembled(adversarial_loss={"name": "wasserstein"})
    cycle = assembly.model(images(0), images(1)).detach()
    terms = assembly.objective.discriminators(assembly.model, cycle, assembly.objective.fakes(cycle))
    assert set(terms) == {"discriminator_a", "discriminator_b", "penalty_a", "penalty_b"}
    assert all(float(terms[f"penalty_{domain}"].detach()) >= 0 for domain in "ab")
