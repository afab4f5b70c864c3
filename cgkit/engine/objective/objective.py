"""The losses of a CycleGAN by name, weighted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from cgkit.abilities import is_trained
from cgkit.data.randomness import derive_seed, seeded
from cgkit.engine.cyclegan import CycleGAN, CyclePass, Passes, trained_directions
from cgkit.engine.image_pool import Fakes
from cgkit.engine.objective.adversarial import Adversarial
from cgkit.engine.objective.losses import Losses, check_scalars, to_float32
from cgkit.engine.objective.terms import DirectedTerm, Extras
from cgkit.spec import model as spec

Distance = Callable[[Tensor, Tensor], Tensor]


class Objective:
    """The objective of the paper, equations 1 to 3 and the identity loss of section 5.2, and the terms of the spec.

    `parts` holds the losses, terms and augmentations that are modules, so that they are saved and moved to a device
    together. Of these modules, only terms can be trained; `heads` are the terms that are.
    """

    def __init__(
        self,
        weights: spec.Objective,
        *,
        adversarial: Adversarial,
        cycle_loss: Distance,
        identity_loss: Distance,
        terms: Sequence[DirectedTerm] = (),
    ) -> None:
        self.weights = weights
        self.adversarial = adversarial
        self.cycle_loss = cycle_loss
        self.identity_loss = identity_loss
        self.terms = tuple(terms)
        self.batch = 0
        """The number of the current batch within its step, from 0."""
        losses = {"cycle_loss": cycle_loss, "identity_loss": identity_loss}
        self.parts = nn.ModuleDict({name: loss for name, loss in losses.items() if isinstance(loss, nn.Module)})
        self.parts.update(adversarial.modules())
        self.parts.requires_grad_(False)
        self.heads = nn.ModuleDict({term.name: term.module for term in terms if is_trained(term.module)})
        for term in terms:
            if term.name not in self.heads:
                term.module.requires_grad_(False)
            self.parts[term.name] = term.module

    @property
    def passes(self) -> Passes:
        """The images that the losses with a non-zero weight need."""
        adversarial, cycle, identity = self.weights.adversarial, self.weights.cycle, self.weights.identity
        wanted = {
            "fake_a": adversarial.b2a > 0,
            "fake_b": adversarial.a2b > 0,
            "cycled_a": cycle.forward > 0,
            "cycled_b": cycle.backward > 0,
            "identity_a": identity.a > 0,
            "identity_b": identity.b > 0,
        }
        return Passes(**(wanted | {image: True for term in self.terms for image in term.generated}))

    @property
    def parts_of_passes(self) -> tuple[Passes, ...]:
        """The passes that can be computed one at a time; what a loss needs together stays together."""
        return self.passes.split([term.generated for term in self.terms])

    def terms_of(self, number: int) -> list[DirectedTerm]:
        """Return the term with a number in the spec, once for each direction whose weight is not 0."""
        return [term for term in self.terms if term.number == number]

    @property
    def judged(self) -> tuple[str, ...]:
        """The domains that have an adversarial loss."""
        weights = self.weights.adversarial
        return tuple(domain for domain, weight in (("a", weights.b2a), ("b", weights.a2b)) if weight)

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions whose generators are trained."""
        return trained_directions(self.passes)

    def generators(self, model: CycleGAN, cycle: CyclePass, extras: Extras) -> Losses:
        """Return the generators' losses: adversarial (equation 1), cycle consistency (equation 2), identity, terms."""
        losses = self._adversarial_losses(model, cycle)
        consistency, identity = self.weights.cycle, self.weights.identity
        for name, weight, distance, output, target in (
            ("cycle_forward", consistency.forward, self.cycle_loss, cycle.cycled_a, cycle.real_a),
            ("cycle_backward", consistency.backward, self.cycle_loss, cycle.cycled_b, cycle.real_b),
            ("identity_a", identity.a, self.identity_loss, cycle.identity_a, cycle.real_a),
            ("identity_b", identity.b, self.identity_loss, cycle.identity_b, cycle.real_b),
        ):
            if weight and output is not None:
                losses[name] = weight * distance(*to_float32(output, target))
        for term in self.terms:
            if term.is_computable(cycle):
                with self._seed_term(term, cycle.real_a.device):
                    losses[term.name] = term.compute(model, cycle, extras)
        return check_scalars(losses)

    def fakes(self, cycle: CyclePass) -> Fakes:
        """Return the generated images for the discriminators; None for a direction without an adversarial loss."""
        return Fakes(
            cycle.fake_a if "a" in self.judged else None,
            cycle.fake_b if "b" in self.judged else None,
        )

    def discriminators(self, model: CycleGAN, cycle: CyclePass, fakes: Fakes) -> Losses:
        """Return the discriminators' losses, computed on the real images of `cycle` and on `fakes`."""

        def losses_of(domain: str, real: Tensor, fake: Tensor | None) -> Losses:
            return {} if fake is None else self.adversarial.discriminator_losses(model, domain, real, fake)

        of_a, of_b = model.lanes.side_by_side(
            lambda: losses_of("a", cycle.real_a, fakes.a),
            lambda: losses_of("b", cycle.real_b, fakes.b),
        )
        return check_scalars({**of_a, **of_b})

    def _adversarial_losses(self, model: CycleGAN, cycle: CyclePass) -> Losses:
        weights = self.weights.adversarial

        def loss_into(domain: str, weight: float, fake: Tensor | None, real: Tensor) -> Tensor | None:
            if not weight or fake is None:
                return None
            return weight * self.adversarial.generator_loss(model, domain, fake, real)

        a2b, b2a = model.lanes.side_by_side(
            lambda: loss_into("b", weights.a2b, cycle.fake_b, cycle.real_b),
            lambda: loss_into("a", weights.b2a, cycle.fake_a, cycle.real_a),
        )
        losses = {"adversarial_a2b": a2b, "adversarial_b2a": b2a}
        return {name: loss for name, loss in losses.items() if loss is not None}

    def _seed_term(self, term: DirectedTerm, device: torch.device) -> AbstractContextManager[None]:
        """Seed what a term draws on a CPU, so that it does not depend on the order of losses, which saves memory.

        On a GPU, a term draws like dropout does, because a CUDA graph cannot be seeded within a step.
        """
        if device.type != "cpu":
            return nullcontext()
        return seeded(derive_seed(torch.initial_seed(), f"term-{term.name}", self.batch))
