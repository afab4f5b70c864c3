"""The losses of a CycleGAN and their weights, as named terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgkit.contracts import AdversarialLoss
from cgkit.data.randomness import seeded
from cgkit.engine.cyclegan import CycleGAN, CyclePass, Passes, mixes_samples
from cgkit.errors import PluginError
from cgkit.spec import model as spec

Terms = dict[str, Tensor]
"""Loss terms by name: scalars with their weights applied, so that their sum is what is minimised."""


@dataclass(frozen=True)
class Fakes:
    """The made images that the discriminators are shown; None where a discriminator has nothing to learn."""

    a: Tensor | None
    b: Tensor | None


RealLogits = dict[str, list[Tensor]]
"""What each discriminator made of the real images: detached logits, one tensor for each scale."""


class Objective:
    """Equations 1 to 3 of the paper, the identity loss of its section 5.2, and every variant with other weights.

    `parts` holds those losses and augmentations that are modules, for their state and device; nothing of them is
    trained.
    """

    def __init__(
        self,
        weights: spec.Objective,
        *,
        adversarial_loss: AdversarialLoss,
        cycle_loss: Callable[[Tensor, Tensor], Tensor],
        identity_loss: Callable[[Tensor, Tensor], Tensor],
        augmentations: Mapping[str, Sequence[nn.Module]] | None = None,
    ) -> None:
        self.weights = weights
        self.adversarial_loss = adversarial_loss
        self.cycle_loss = cycle_loss
        self.identity_loss = identity_loss
        self._augmentations = {domain: tuple((augmentations or {}).get(domain, ())) for domain in ("a", "b")}
        losses = {"adversarial_loss": adversarial_loss, "cycle_loss": cycle_loss, "identity_loss": identity_loss}
        self.parts = nn.ModuleDict({name: loss for name, loss in losses.items() if isinstance(loss, nn.Module)})
        for domain, modules in self._augmentations.items():
            self.parts[f"augmentations_{domain}"] = nn.ModuleList(modules)
        self.parts.requires_grad_(False)

    @property
    def passes(self) -> Passes:
        """The images that the terms of non-zero weight need."""
        adversarial, cycle, identity = self.weights.adversarial, self.weights.cycle, self.weights.identity
        return Passes(
            fake_a=adversarial.b2a > 0,
            fake_b=adversarial.a2b > 0,
            cycled_a=cycle.forward > 0,
            cycled_b=cycle.backward > 0,
            identity_a=identity.a > 0,
            identity_b=identity.b > 0,
        )

    def generators(self, model: CycleGAN, cycle: CyclePass) -> Terms:
        """Return the generators' terms: adversarial, cycle-consistency, identity."""
        weights = self.weights
        terms: Terms = {}
        if weights.adversarial.a2b and cycle.fake_b is not None:
            terms["adversarial_a2b"] = weights.adversarial.a2b * self._fooled(model, "b", cycle.fake_b, cycle.real_b)
        if weights.adversarial.b2a and cycle.fake_a is not None:
            terms["adversarial_b2a"] = weights.adversarial.b2a * self._fooled(model, "a", cycle.fake_a, cycle.real_a)
        if cycle.cycled_a is not None:
            terms["cycle_forward"] = weights.cycle.forward * self.cycle_loss(*_wide(cycle.cycled_a, cycle.real_a))
        if cycle.cycled_b is not None:
            terms["cycle_backward"] = weights.cycle.backward * self.cycle_loss(*_wide(cycle.cycled_b, cycle.real_b))
        if cycle.identity_a is not None:
            terms["identity_a"] = weights.identity.a * self.identity_loss(*_wide(cycle.identity_a, cycle.real_a))
        if cycle.identity_b is not None:
            terms["identity_b"] = weights.identity.b * self.identity_loss(*_wide(cycle.identity_b, cycle.real_b))
        return _scalars(terms)

    def fakes(self, cycle: CyclePass) -> Fakes:
        """Return the made images that the discriminators learn from."""
        weights = self.weights.adversarial
        return Fakes(cycle.fake_a if weights.b2a else None, cycle.fake_b if weights.a2b else None)

    def discriminators(self, model: CycleGAN, cycle: CyclePass, fakes: Fakes) -> tuple[Terms, RealLogits]:
        """Return the discriminators' terms, on the real images of `cycle` and on `fakes`, and the real logits."""
        terms: Terms = {}
        observed: RealLogits = {}
        for domain, real, fake in (("a", cycle.real_a, fakes.a), ("b", cycle.real_b, fakes.b)):
            if fake is None:
                continue
            discriminator = model.discriminator(domain)
            real, fake = self._augmented(domain, real, fake)
            real_logits, fake_logits = _judged(discriminator, real, fake, learning=True)
            observed[domain] = [scale.detach() for scale in real_logits]
            losses = [
                self.adversarial_loss.discriminator_loss(*pair) for pair in zip(real_logits, fake_logits, strict=True)
            ]
            terms[f"discriminator_{domain}"] = torch.stack(losses).mean()
            if hasattr(self.adversarial_loss, "penalty"):
                # Differentiated twice, so not in reduced precision, and not compiled: that can be done once only.
                with torch.autocast(real.device.type, enabled=False):
                    penalty = self.adversarial_loss.penalty(model.discriminators[domain], *_wide(real, fake))
                terms[f"penalty_{domain}"] = penalty
        return _scalars(terms), observed

    def observe(self, real_logits: RealLogits) -> None:
        """Let the augmentations that adapt see what the discriminators made of the real images of a step."""
        with torch.no_grad():
            for domain, logits in real_logits.items():
                for augmentation in self._augmentations[domain]:
                    observe = getattr(augmentation, "observe", None)
                    if observe is not None:
                        observe(logits)

    def _fooled(self, model: CycleGAN, domain: str, fake: Tensor, real: Tensor) -> Tensor:
        discriminator, loss = model.discriminator(domain), self.adversarial_loss
        if getattr(loss, "wants_real_logits", False):
            real_logits, fake_logits = _judged(discriminator, *self._augmented(domain, real, fake), learning=False)
            losses = [loss.generator_loss(*pair) for pair in zip(fake_logits, real_logits, strict=True)]  # type: ignore[call-arg]
        else:
            (shown,) = self._augmented(domain, fake)
            losses = [
                loss.generator_loss(scale) for scale in logits_of(discriminator, shown, real=False, learning=False)
            ]
        return torch.stack(losses).mean()

    def _augmented(self, domain: str, *batches: Tensor) -> tuple[Tensor, ...]:
        """Return the batches as a discriminator sees them, all changed by the same draw."""
        augmentations = self._augmentations[domain]
        if not augmentations:
            return batches
        seed = int(torch.randint(2**62, ()))
        return tuple(_augment(batch, augmentations, seed) for batch in batches)


def _augment(batch: Tensor, augmentations: Sequence[nn.Module], seed: int) -> Tensor:
    images = (batch + 1) / 2
    with seeded(seed):
        for augmentation in augmentations:
            images = augmentation(images)
    return images * 2 - 1


def _judged(
    discriminator: nn.Module, real: Tensor, fake: Tensor, *, learning: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the logits of real and of made images, from one call where that gives the same as two."""
    if mixes_samples(discriminator) or getattr(discriminator, "remembers_images", False):
        real_logits, fake_logits = (
            logits_of(discriminator, images, real=images is real, learning=learning) for images in (real, fake)
        )
        return real_logits, fake_logits
    scales = _logits(discriminator(torch.cat([real, fake.to(real.dtype)])))
    return [scale[: len(real)] for scale in scales], [scale[len(real) :] for scale in scales]


def logits_of(discriminator: nn.Module, images: Tensor, *, real: bool, learning: bool) -> list[Tensor]:
    """Return the logits of images by scale, telling the discriminator what they are where it wants to know."""
    if getattr(discriminator, "remembers_images", False):
        return _logits(discriminator(images, real=real, learning=learning))
    return _logits(discriminator(images))


def _logits(judgement: Tensor | list[Tensor]) -> list[Tensor]:
    """Return the logits of every scale, in float32 or more: losses are never computed in less."""
    scales = judgement if isinstance(judgement, (list, tuple)) else [judgement]
    return [scale.float() if scale.dtype in (torch.bfloat16, torch.float16) else scale for scale in scales]


def _wide(*images: Tensor) -> tuple[Tensor, ...]:
    return tuple(image.float() if image.dtype in (torch.bfloat16, torch.float16) else image for image in images)


def _scalars(terms: Terms) -> Terms:
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.numel() != 1:
            shape = tuple(term.shape) if isinstance(term, Tensor) else type(term).__name__
            raise PluginError(f"the loss term {name} should be a scalar, got {shape}")
    return terms
