"""Calling a component as the engine does, and collecting all tensors that the component computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.abilities import compared_by, wants_real_logits
from cgkit.contracts import AdversarialLoss, Augmentation, Cycle
from cgkit.testing.subject import Subject, functional, scales_of


def run_augmentation(augmentation: Augmentation, images: Tensor, size: tuple[int, int] = (24, 24)) -> Tensor:
    """Call an augmentation with the arguments that the engine passes to augmentations with its role."""
    function: Callable[..., Any] = augmentation
    augmented: Tensor = function(images, size) if augmentation.role == "framing" else function(images)
    return augmented


def losses(loss: AdversarialLoss, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Return the discriminator's and the generator's loss for real and fake logits, by name of the network."""
    logits = (fake, real) if wants_real_logits(loss) else (fake,)
    return {"discriminator": loss.discriminator_loss(real, fake), "generator": loss.generator_loss(*logits)}


def small_discriminator() -> nn.Sequential:
    """Return a discriminator for testing penalties, with random weights."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Conv2d(4, 1, 3))


def run_metric(metric: Any, translations: Tensor, others: Tensor) -> Any:
    """Call a metric with translations and the images to compare them with; `back` of a `Cycle` is the identity."""
    with torch.inference_mode():
        if compared_by(metric) == "domain":
            return metric(metric.features(translations), metric.features(others))
        if compared_by(metric) == "cycle":
            return metric(Cycle(others, translations, translations, lambda images: images))
        return metric(translations, others)


def outcome(subject: Subject, component: Any) -> list[Tensor]:
    """Use a component once, with inputs drawn from torch's global generator; return all tensors that it computes."""
    return _OUTCOMES[subject.kind](subject, component)


def _train_network(subject: Subject, network: nn.Module) -> list[Tensor]:
    network.zero_grad()
    output = network.train()(subject.images(2))
    torch.autograd.backward(functional(output))
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return [*network.state_dict().values(), *scales_of(output), *gradients]


def _compute_losses(subject: Subject, loss: AdversarialLoss) -> list[Tensor]:
    real, fake = torch.randn(2, 2, 1, 4, 4)
    values = list(losses(loss, real, fake).values())
    if hasattr(loss, "penalty"):
        values.append(loss.penalty(small_discriminator(), *torch.rand(2, 2, 3, 8, 8)))
    return values


_OUTCOMES: dict[str, Callable[[Subject, Any], list[Tensor]]] = {
    "generators": _train_network,
    "discriminators": _train_network,
    "adversarial_losses": _compute_losses,
    "reconstruction_losses": lambda subject, distance: [distance(*torch.rand(2, 2, 3, 32, 32) * 2 - 1)],
    "augmentations": lambda subject, augmentation: [run_augmentation(augmentation, torch.rand(1, 3, 32, 32))],
    "metrics": lambda subject, metric: [run_metric(metric, *torch.rand(2, 3, 3, 32, 48))],
}
