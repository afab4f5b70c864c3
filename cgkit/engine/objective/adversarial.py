"""The adversarial losses: what each discriminator sees, and what it and the generator learn from its logits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from cgkit.abilities import mixes_samples, observer_of, penalty_of, remembers_images, wants_real_logits
from cgkit.contracts import AdversarialLoss
from cgkit.data.randomness import seeded
from cgkit.engine.cyclegan import CycleGAN
from cgkit.engine.gpu.fixed_draws import FixedDraws, draw_seed
from cgkit.engine.objective.losses import Losses, to_float32


class Adversarial:
    """The adversarial losses of both domains, and the augmentations of the discriminators' input.

    Args:
        losses: for each domain, one loss for each scale of its discriminator, or a single one for all scales.
        augmentations: for each domain, the augmentations of its discriminator's input.
    """

    def __init__(
        self,
        losses: Mapping[str, Sequence[AdversarialLoss]],
        augmentations: Mapping[str, Sequence[nn.Module]] | None = None,
    ) -> None:
        self._losses = losses
        self._augmentations = {domain: tuple((augmentations or {}).get(domain, ())) for domain in ("a", "b")}
        self.draws = FixedDraws()
        """The random numbers of the augmentations, if the step is recorded as a CUDA graph."""
        self._real_logits: dict[str, list[list[Tensor]]] = {"a": [], "b": []}

    @property
    def losses(self) -> tuple[AdversarialLoss, ...]:
        """All losses."""
        return tuple(loss for scales in self._losses.values() for loss in scales)

    @property
    def augmentations(self) -> tuple[nn.Module, ...]:
        """The augmentations of both discriminators' input."""
        return tuple(module for modules in self._augmentations.values() for module in modules)

    def modules(self) -> dict[str, nn.Module]:
        """Return the losses and augmentations that are modules, by name."""
        modules: dict[str, nn.Module] = {}
        for domain, losses in self._losses.items():
            modules[f"adversarial_losses_{domain}"] = nn.ModuleList(m for m in losses if isinstance(m, nn.Module))
        for domain, augmentations in self._augmentations.items():
            modules[f"augmentations_{domain}"] = nn.ModuleList(augmentations)
        return modules

    def generator_loss(self, model: CycleGAN, domain: str, fake: Tensor, real: Tensor) -> Tensor:
        """Return the loss of the generator into `domain`, averaged over the discriminator's scales (equation 1)."""
        discriminator = model.discriminator(domain)
        if wants_real_logits(self._losses[domain][0]):
            real_logits, fake_logits = _judge(discriminator, *self._augment(domain, real, fake), learning=False)
            losses = [
                loss.generator_loss(*pair)
                for loss, *pair in zip(self._per_scale(domain, len(fake_logits)), fake_logits, real_logits, strict=True)
            ]
        else:
            (images,) = self._augment(domain, fake)
            logits = logits_of(discriminator, images, real=False, learning=False)
            pairs = zip(self._per_scale(domain, len(logits)), logits, strict=True)
            losses = [loss.generator_loss(scale) for loss, scale in pairs]
        return torch.stack(losses).mean()

    def discriminator_losses(self, model: CycleGAN, domain: str, real: Tensor, fake: Tensor) -> Losses:
        """Return the loss of the discriminator of a domain, averaged over its scales, and the loss's penalty if any."""
        real, fake = self._augment(domain, real, fake)
        real_logits, fake_logits = _judge(model.discriminator(domain), real, fake, learning=True)
        self._real_logits[domain].append([scale.detach() for scale in real_logits])
        scales = zip(self._per_scale(domain, len(real_logits)), real_logits, fake_logits, strict=True)
        losses = [loss.discriminator_loss(*pair) for loss, *pair in scales]
        named = {f"discriminator_{domain}": torch.stack(losses).mean()}
        penalty = penalty_of(self._losses[domain][0])
        if penalty is not None:
            # A penalty is differentiated twice, which requires full precision and an uncompiled network.
            with torch.autocast(real.device.type, enabled=False):
                named[f"penalty_{domain}"] = penalty(model.discriminators[domain], *to_float32(real, fake))
        return named

    def adapt(self, gather: Callable[[Tensor], list[Tensor]] = lambda logits: [logits]) -> None:
        """Pass the discriminators' logits of real images to the adaptive augmentations, then drop the logits.

        The logits come from all calls of `discriminator_losses` since the last call of `adapt` or `forget`.

        Args:
            gather: returns the given tensor of every rank, so that all ranks adapt alike.
        """
        for domain, batches in self._real_logits.items():
            observers = [observer for module in self._augmentations[domain] if (observer := observer_of(module))]
            if observers and batches:
                scales = [torch.cat(scale) for scale in zip(*batches, strict=True)]
                logits = [torch.cat(gather(scale)) for scale in scales]
                for observe in observers:
                    observe(logits)
        self.forget()

    def forget(self) -> None:
        """Drop the logits collected for `adapt`."""
        self._real_logits = {"a": [], "b": []}

    def _per_scale(self, domain: str, scales: int) -> Sequence[AdversarialLoss]:
        losses = self._losses[domain]
        return losses if len(losses) > 1 else [*losses] * scales

    def _augment(self, domain: str, *batches: Tensor) -> tuple[Tensor, ...]:
        """Augment the input batches of a discriminator, all with the same random parameters."""
        augmentations = self._augmentations[domain]
        if not augmentations:
            return batches
        if self.draws.are_fixed:
            fixed = self.draws.next(augmentations, batches[0])
            return tuple(_augment(batch, augmentations, fixed) for batch in batches)
        seed = draw_seed()
        augmented = []
        for batch in batches:
            with seeded(seed):
                augmented.append(_augment(batch, augmentations, [()] * len(augmentations)))
        return tuple(augmented)


def logits_of(discriminator: nn.Module, images: Tensor, *, real: bool, learning: bool) -> list[Tensor]:
    """Return a discriminator's logits for images, one tensor for each scale, in float32 or float64.

    Args:
        discriminator: the network.
        images: `(N, C, H, W)` in [-1, 1].
        real: whether the images are real; passed only to a discriminator that remembers images.
        learning: whether the discriminator is being trained on the images; passed only if `real` is passed.
    """
    if remembers_images(discriminator):
        return _to_scales(discriminator(images, real=real, learning=learning))
    return _to_scales(discriminator(images))


def _augment(batch: Tensor, augmentations: Sequence[nn.Module], draws: Sequence[tuple[Tensor, ...]]) -> Tensor:
    images = (batch + 1) / 2
    for augmentation, given in zip(augmentations, draws, strict=True):
        images = augmentation(images, *given)
    return images * 2 - 1


def _judge(
    discriminator: nn.Module, real: Tensor, fake: Tensor, *, learning: bool
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the logits of real and of generated images, computed in one call if that gives the same result as two."""
    if mixes_samples(discriminator) or remembers_images(discriminator):
        real_logits = logits_of(discriminator, real, real=True, learning=learning)
        return real_logits, logits_of(discriminator, fake, real=False, learning=learning)
    scales = _to_scales(discriminator(torch.cat([real, fake.to(real.dtype)])))
    return [scale[: len(real)] for scale in scales], [scale[len(real) :] for scale in scales]


def _to_scales(logits: Tensor | list[Tensor]) -> list[Tensor]:
    """Return logits as a list, one tensor for each scale, in at least float32, because losses need that precision."""
    return list(to_float32(*(logits if isinstance(logits, (list, tuple)) else [logits])))
