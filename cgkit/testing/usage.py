"""Using a component as the engine does, and everything that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.contracts import AdversarialLoss, Augmentation, Cycle
from cgkit.testing.subject import Subject, functional, scales_of


def run_augmentation(augmentation: Augmentation, images: Tensor, size: tuple[int, int] = (24, 24)) -> Tensor:
    """Return images as an augmentation changes them, called as its role asks for."""
    function: Callable[..., Any] = augmentation
    made: Tensor = function(images, size) if augmentation.role == "framing" else function(images)
    return made


def discriminator_loss(loss: AdversarialLoss, real: Tensor, fake: Tensor) -> Tensor:
    """Return what the discriminator minimises."""
    return loss.discriminator_loss(real, fake)


def generator_loss(loss: AdversarialLoss, fake: Tensor, real: Tensor) -> Tensor:
    """Return what the generator minimises."""
    if getattr(loss, "wants_real_logits", False):
        return loss.generator_loss(fake, real)  # type: ignore[call-arg]
    return loss.generator_loss(fake)


def small_discriminator() -> nn.Sequential:
    """Return a discriminator that a penalty can be taken of; its weights are drawn."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Softplus(), nn.Conv2d(4, 1, 3))


def compared(metric: Any) -> Any:
    """Return what a metric compares translations with."""
    return getattr(metric, "compares", "truth")


def run_metric(metric: Any, translations: Tensor, others: Tensor) -> Any:
    """Return what a metric says of translations, given what it compares them with; the way back changes nothing."""
    with torch.inference_mode():
        if compared(metric) == "domain":
            return metric(metric.features(translations), metric.features(others))
        if compared(metric) == "cycle":
            return metric(Cycle(others, translations, translations, lambda images: images))
        return metric(translations, others)


def outcome(subject: Subject, made: Any) -> list[Tensor]:
    """Return all tensors that come of using a component once; what is random in it is drawn from torch's seed."""
    return _OUTCOMES[subject.kind](subject, made)


def _of_a_network(subject: Subject, network: nn.Module) -> list[Tensor]:
    network.zero_grad()
    out = network.train()(subject.images(2))
    torch.autograd.backward(functional(out))
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return [*network.state_dict().values(), *scales_of(out), *gradients]


def _of_an_adversarial_loss(subject: Subject, loss: AdversarialLoss) -> list[Tensor]:
    real, fake = torch.randn(2, 2, 1, 4, 4)
    made = [discriminator_loss(loss, real, fake), generator_loss(loss, fake, real)]
    if hasattr(loss, "penalty"):
        made.append(loss.penalty(small_discriminator(), *torch.rand(2, 2, 3, 8, 8)))
    return made


_OUTCOMES: dict[str, Callable[[Subject, Any], list[Tensor]]] = {
    "generators": _of_a_network,
    "discriminators": _of_a_network,
    "adversarial_losses": _of_an_adversarial_loss,
    "reconstruction_losses": lambda subject, distance: [distance(*torch.rand(2, 2, 3, 32, 32) * 2 - 1)],
    "augmentations": lambda subject, augmentation: [run_augmentation(augmentation, torch.rand(1, 3, 32, 32))],
    "metrics": lambda subject, metric: [run_metric(metric, *torch.rand(2, 3, 3, 32, 48))],
}
