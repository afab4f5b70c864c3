"""The losses of a CycleGAN, weighted, as named terms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from cgkit.abilities import mixes_samples, observer_of, penalty_of, remembers_images, wants_real_logits
from cgkit.contracts import AdversarialLoss
from cgkit.data.randomness import seeded
from cgkit.engine.cyclegan import CycleGAN, CyclePass, Passes
from cgkit.engine.gpu.fixed_draws import FixedDraws, draw_seed
from cgkit.engine.image_pool import Fakes
from cgkit.errors import PluginError
from cgkit.spec import model as spec

Terms = dict[str, Tensor]
"""Loss terms by name: weighted scalars, whose sum is minimised."""

Distance = Callable[[Tensor, Tensor], Tensor]


class Objective:
    """The objective of the paper: equations 1 to 3 and the identity loss of section 5.2, with adjustable weights.

    `parts` holds the losses and augmentations that are modules, so that they are saved and moved to a device together.
    These modules are not trained.
    """

    def __init__(
        self,
        weights: spec.Objective,
        *,
        adversarial_loss: AdversarialLoss,
        cycle_loss: Distance,
        identity_loss: Distance,
        augmentations: Mapping[str, Sequence[nn.Module]] | None = None,
    ) -> None:
        self.weights = weights
        self.adversarial_loss = adversarial_loss
        self.cycle_loss = cycle_loss
        self.identity_loss = identity_loss
        self._augmentations = {domain: tuple((augmentations or {}).get(domain, ())) for domain in ("a", "b")}
        self.draws = FixedDraws()
        """The random numbers of the augmentations, if the step is recorded as a CUDA graph."""
        self._real_logits: dict[str, list[list[Tensor]]] = {"a": [], "b": []}
        losses = {"adversarial_loss": adversarial_loss, "cycle_loss": cycle_loss, "identity_loss": identity_loss}
        self.parts = nn.ModuleDict({name: loss for name, loss in losses.items() if isinstance(loss, nn.Module)})
        for domain, modules in self._augmentations.items():
            self.parts[f"augmentations_{domain}"] = nn.ModuleList(modules)
        self.parts.requires_grad_(False)

    @property
    def augmentations(self) -> tuple[nn.Module, ...]:
        """The augmentations of the discriminators' inputs."""
        return tuple(module for modules in self._augmentations.values() for module in modules)

    @property
    def passes(self) -> Passes:
        """The images that the terms with a non-zero weight need."""
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
        """Return the generators' terms: adversarial (equation 1), cycle consistency (equation 2) and identity."""
        adversarial, consistency, identity = self.weights.adversarial, self.weights.cycle, self.weights.identity
        terms: Terms = {}
        for name, term in zip(
            ("adversarial_a2b", "adversarial_b2a"),
            model.lanes.side_by_side(
                lambda: self._adversarial(model, "b", adversarial.a2b, cycle.fake_b, cycle.real_b),
                lambda: self._adversarial(model, "a", adversarial.b2a, cycle.fake_a, cycle.real_a),
            ),
            strict=True,
        ):
            if term is not None:
                terms[name] = term
        for name, weight, distance, output, target in (
            ("cycle_forward", consistency.forward, self.cycle_loss, cycle.cycled_a, cycle.real_a),
            ("cycle_backward", consistency.backward, self.cycle_loss, cycle.cycled_b, cycle.real_b),
            ("identity_a", identity.a, self.identity_loss, cycle.identity_a, cycle.real_a),
            ("identity_b", identity.b, self.identity_loss, cycle.identity_b, cycle.real_b),
        ):
            if weight and output is not None:
                terms[name] = weight * distance(*_to_float32(output, target))
        return _check_scalars(terms)

    def fakes(self, cycle: CyclePass) -> Fakes:
        """Return the generated images for the discriminators; None for a direction without an adversarial loss."""
        weights = self.weights.adversarial
        return Fakes(cycle.fake_a if weights.b2a else None, cycle.fake_b if weights.a2b else None)

    def discriminators(self, model: CycleGAN, cycle: CyclePass, fakes: Fakes) -> Terms:
        """Return the discriminators' terms, computed on the real images of `cycle` and on `fakes`."""
        of_a, of_b = model.lanes.side_by_side(
            lambda: self._discriminator(model, "a", cycle.real_a, fakes.a),
            lambda: self._discriminator(model, "b", cycle.real_b, fakes.b),
        )
        return _check_scalars({**of_a, **of_b})

    def adapt(self, gather: Callable[[Tensor], list[Tensor]] = lambda logits: [logits]) -> None:
        """Pass the discriminators' logits of real images to the adaptive augmentations, then drop the logits.

        The logits come from all calls of `discriminators` since the last call of `adapt` or `forget`.

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

    def _adversarial(
        self, model: CycleGAN, domain: str, weight: float, fake: Tensor | None, real: Tensor
    ) -> Tensor | None:
        """Return the weighted loss of the generator into `domain`, averaged over the discriminator's scales."""
        if not weight or fake is None:
            return None
        discriminator, loss = model.discriminator(domain), self.adversarial_loss
        if wants_real_logits(loss):
            real_logits, fake_logits = _judge(discriminator, *self._augment(domain, real, fake), learning=False)
            losses = [loss.generator_loss(*pair) for pair in zip(fake_logits, real_logits, strict=True)]  # type: ignore[call-arg]
        else:
            (images,) = self._augment(domain, fake)
            logits = logits_of(discriminator, images, real=False, learning=False)
            losses = [loss.generator_loss(scale) for scale in logits]
        return weight * torch.stack(losses).mean()

    def _discriminator(self, model: CycleGAN, domain: str, real: Tensor, fake: Tensor | None) -> Terms:
        """Return the terms of the discriminator of a domain."""
        if fake is None:
            return {}
        real, fake = self._augment(domain, real, fake)
        real_logits, fake_logits = _judge(model.discriminator(domain), real, fake, learning=True)
        self._real_logits[domain].append([scale.detach() for scale in real_logits])
        pairs = zip(real_logits, fake_logits, strict=True)
        losses = [self.adversarial_loss.discriminator_loss(*pair) for pair in pairs]
        terms = {f"discriminator_{domain}": torch.stack(losses).mean()}
        penalty = penalty_of(self.adversarial_loss)
        if penalty is not None:
            # A penalty is differentiated twice, which requires full precision and an uncompiled network.
            with torch.autocast(real.device.type, enabled=False):
                terms[f"penalty_{domain}"] = penalty(model.discriminators[domain], *_to_float32(real, fake))
        return terms

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
    return list(_to_float32(*(logits if isinstance(logits, (list, tuple)) else [logits])))


def _to_float32(*tensors: Tensor) -> tuple[Tensor, ...]:
    return tuple(tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor for tensor in tensors)


def _check_scalars(terms: Terms) -> Terms:
    for name, term in terms.items():
        if not isinstance(term, Tensor) or term.numel() != 1:
            shape = tuple(term.shape) if isinstance(term, Tensor) else type(term).__name__
            raise PluginError(f"the loss term {name} must be a scalar, got {shape}")
    return terms
