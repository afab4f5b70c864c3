"""Calling a component as the engine does, and collecting all tensors that the component computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.abilities import compared_by, needs_of, preparer_of, wants_real_logits
from cgkit.contracts import AdversarialLoss, Augmentation, Cycle, Given, ObjectKind, Objects
from cgkit.data.randomness import seeded
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


class SmallGenerator(nn.Module):
    """A generator with features, for testing terms of the objective, with weights that are always the same."""

    def __init__(self) -> None:
        super().__init__()
        with seeded(0):
            self.layers = nn.ModuleList([nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)])

    def features(self, images: Tensor) -> list[Tensor]:
        """Return the images and the features of the first layer."""
        return [images, self.layers[0](images).tanh()]

    def forward(self, images: Tensor) -> Tensor:
        """Translate images `(N, 3, H, W)`."""
        translations: Tensor = self.layers[1](self.features(images)[-1]).tanh()
        return translations


def prepared_term(subject: Subject, generator: nn.Module | None = None) -> nn.Module:
    """Build a term of the objective, prepared for a generator."""
    term: nn.Module = subject.build(seed=1)
    prepare = preparer_of(term)
    if prepare is not None:
        with seeded(2), torch.no_grad():
            prepare(generator or SmallGenerator(), torch.zeros(1, 3, 32, 32))
    return term


def given_images(term: object, *, level: float | None = None, seed: int = 0) -> Given:
    """Return what a term needs, for two images of 32 x 32 pixels.

    Args:
        term: the term.
        level: the value of all pixels; noise by default.
        seed: the seed of the noise.
    """
    needs, random = needs_of(term), torch.Generator().manual_seed(seed)

    def image(channels: int = 3) -> Tensor:
        noise = torch.rand(2, channels, 32, 32, generator=random) * 2 - 1
        return noise if level is None else torch.full_like(noise, level)

    generated = {need: image().requires_grad_() for need in ("translation", "reconstruction", "identity")}
    extras = {"mask": (image(1) > 0).float(), "label": (image(1) > 0).long(), "partner": image()}
    return Given(
        SmallGenerator(),
        image(),
        image(),
        **{need: value for need, value in generated.items() if need in needs},
        extras={name: extra for name, extra in extras.items() if name in needs},
        present={name: torch.tensor([1.0, 0.0]) for name in extras if name in needs},
    )


def run_metric(metric: Any, translations: Tensor, others: Tensor) -> Any:
    """Call a metric with translations and the images to compare them with; `back` of a `Cycle` is the identity."""
    with torch.inference_mode():
        if compared_by(metric) == "domain":
            return metric(metric.features(translations), metric.features(others))
        if compared_by(metric) == "cycle":
            return metric(Cycle(others, translations, translations, lambda images: images))
        if compared_by(metric) == "objects":
            return metric(translations, _red_objects(others))
        return metric(translations, others)


def _red_objects(references: Tensor) -> Objects:
    """Return a red object in the left third of each image; what is red in the rest is none."""
    labels = torch.zeros_like(references[:, :1], dtype=torch.int64)
    labels[..., : references.shape[-1] // 3] = 1
    return Objects(references, labels, [ObjectKind("object", (0.9, 0.2, 0.2), "ab", range(1, 2))], "b")


def outcome(subject: Subject, component: Any) -> list[Tensor]:
    """Use a component once, with inputs drawn from torch's global generator; return all tensors that it computes."""
    return _OUTCOMES[subject.kind](subject, component)


def _train_network(subject: Subject, network: nn.Module) -> list[Tensor]:
    network.zero_grad()
    output = network.train()(subject.images(2))
    torch.autograd.backward(functional(output))
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return [*network.state_dict().values(), *scales_of(output), *gradients]


def _compute_term(subject: Subject, term: nn.Module) -> list[Tensor]:
    prepare = preparer_of(term)
    if prepare is not None and not list(term.parameters()):
        with torch.no_grad():
            prepare(SmallGenerator(), torch.zeros(1, 3, 32, 32))
    return [term(given_images(term)), *term.state_dict().values()]


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
    "terms": _compute_term,
    "augmentations": lambda subject, augmentation: [run_augmentation(augmentation, torch.rand(1, 3, 32, 32))],
    "metrics": lambda subject, metric: [run_metric(metric, *torch.rand(2, 3, 3, 32, 48))],
}
