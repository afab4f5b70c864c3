"""The losses of a CycleGAN and their weights, as named terms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class Objective:
    """Equations 1 to 3 of the paper, the identity loss of its section 5.2, and every variant with other weights."""

    def __init__(
        self,
        weights: spec.Objective,
        *,
        adversarial_loss: AdversarialLoss,
        cycle_loss: Callable[[Tensor, Tensor], Tensor],
        identity_loss: Callable[[Tensor, Tensor], Tensor],
        augmentations: Sequence[nn.Module] = (),
    ) -> None:
        self.weights = weights
        self._adversarial_loss = adversarial_loss
        self.cycle_loss = cycle_loss
        self.identity_loss = identity_loss
        self._augmentations = tuple(augmentations)

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
            terms["adversarial_a2b"] = weights.adversarial.a2b * self._fooled(model, "b", cycle.fake_b)
        if weights.adversarial.b2a and cycle.fake_a is not None:
            terms["adversarial_b2a"] = weights.adversarial.b2a * self._fooled(model, "a", cycle.fake_a)
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

    def discriminators(self, model: CycleGAN, cycle: CyclePass, fakes: Fakes) -> Terms:
        """Return the discriminators' terms, on the real images of `cycle` and on `fakes`."""
        terms: Terms = {}
        for domain, real, fake in (("a", cycle.real_a, fakes.a), ("b", cycle.real_b, fakes.b)):
            if fake is None:
                continue
            discriminator = model.discriminators[domain]
            real, fake = self._augmented(real, fake)
            real_logits, fake_logits = _judged(discriminator, real, fake)
            losses = [
                self._adversarial_loss.discriminator_loss(*pair) for pair in zip(real_logits, fake_logits, strict=True)
            ]
            terms[f"discriminator_{domain}"] = torch.stack(losses).mean()
            if hasattr(self._adversarial_loss, "penalty"):
                # Differentiated twice, so not in reduced precision.
                with torch.autocast(real.device.type, enabled=False):
                    penalty = self._adversarial_loss.penalty(discriminator, *_wide(real, fake))
                terms[f"penalty_{domain}"] = penalty
        return _scalars(terms)

    def _fooled(self, model: CycleGAN, domain: str, fake: Tensor) -> Tensor:
        (shown,) = self._augmented(fake)
        logits = _logits(model.discriminators[domain](shown))
        return torch.stack([self._adversarial_loss.generator_loss(scale) for scale in logits]).mean()

    def _augmented(self, *batches: Tensor) -> tuple[Tensor, ...]:
        """Return the batches as a discriminator sees them, all changed by the same draw."""
        if not self._augmentations:
            return batches
        seed = int(torch.randint(2**62, ()))
        return tuple(self._augment(batch, seed) for batch in batches)

    def _augment(self, batch: Tensor, seed: int) -> Tensor:
        images = (batch + 1) / 2
        with seeded(seed):
            for augmentation in self._augmentations:
                images = augmentation(images)
        return images * 2 - 1


def _judged(discriminator: nn.Module, real: Tensor, fake: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return the logits of real and of made images, from one call where that gives the same as two."""
    if mixes_samples(discriminator):
        return _logits(discriminator(real)), _logits(discriminator(fake))
    scales = _logits(discriminator(torch.cat([real, fake.to(real.dtype)])))
    return [scale[: len(real)] for scale in scales], [scale[len(real) :] for scale in scales]


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
