"""The gradients and losses of a step, over all of its batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cgkit.data.loading import Batch
from cgkit.engine.cyclegan import NO_PASSES, CycleGAN, CyclePass
from cgkit.engine.image_pool import ImagePools, Places
from cgkit.engine.memory import spares_memory, train_one_cycle_at_a_time
from cgkit.engine.objective import Losses, Objective
from cgkit.engine.precision import Precision
from cgkit.engine.step import Step


@dataclass(frozen=True)
class Inputs:
    """What a step needs of one batch, on the device: real images, their extras, and the places in the image pools."""

    real_a: Tensor
    real_b: Tensor
    extras: Mapping[str, Tensor]
    places: Places

    def fill(self, batch: Batch, places: Places) -> None:
        """Copy a batch into these tensors, without waiting for the copies."""
        self.real_a.copy_(batch.real_a, non_blocking=True)
        self.real_b.copy_(batch.real_b, non_blocking=True)
        for name, extra in self.extras.items():
            extra.copy_(batch.extras[name], non_blocking=True)
        for domain, target in self.places.items():
            target.copy_(places[domain], non_blocking=True)


class Gradients:
    """Computes the gradients of a step, averaged over its batches.

    Args:
        model: the networks.
        objective: the losses.
        image_pools: the image pools.
        precision: how to compute, and on which device.
        memory: the value of `train.memory`.
    """

    def __init__(
        self, model: CycleGAN, objective: Objective, image_pools: ImagePools, precision: Precision, memory: str
    ) -> None:
        self.model = model
        self.objective = objective
        self.image_pools = image_pools
        self.precision = precision
        self._memory = memory
        self._step = Step(model, objective, image_pools, self._backward)
        self._losses: Losses = {}
        self._share = 1.0

    def place(self, batch: Batch, step: int, number: int) -> Inputs:
        """Copy batch `number` of a step to the device."""
        places = self.draw_places(batch, step, number)
        return Inputs(
            self.precision.place(batch.real_a),
            self.precision.place(batch.real_b),
            {name: self._place_extra(extra) for name, extra in batch.extras.items()},
            {domain: drawn.to(self.precision.device, non_blocking=True) for domain, drawn in places.items()},
        )

    def draw_places(self, batch: Batch, step: int, number: int) -> Places:
        """Draw the places in the image pools of the translations of a batch."""
        counts = {domain: len(batch.real_b if domain == "a" else batch.real_a) for domain in self.objective.judged}
        return self.image_pools.draw(step, number, counts)

    def compute(self, batches: Sequence[Inputs], *, generators: bool = True) -> Losses:
        """Accumulate the gradients for batches on the device.

        Args:
            batches: the batches of the step.
            generators: whether the generators learn in this step, besides the discriminators.

        Returns:
            The losses: weighted scalars on the device, averaged over the batches.
        """
        self._losses = {}
        self._share = 1 / len(batches)
        self.objective.adversarial.draws.restart()
        with self.precision.autocast():
            for number, batch in enumerate(batches):
                self.objective.batch = number
                self.image_pools.places = batch.places
                if not generators:
                    self._step.train_discriminators(self._translate(batch))
                elif spares_memory(self._memory, batch.real_a):
                    train_one_cycle_at_a_time(self._step, batch.real_a, batch.real_b, batch.extras)
                else:
                    self._step(batch.real_a, batch.real_b, batch.extras)
        return self._losses

    @torch.no_grad()
    def _translate(self, batch: Inputs) -> CyclePass:
        """Return the translations that the discriminators learn from."""
        judged = {f"fake_{domain}": True for domain in self.objective.judged}
        cycle: CyclePass = self.model(batch.real_a, batch.real_b, replace(NO_PASSES, **judged))
        return cycle

    def _place_extra(self, extra: Tensor) -> Tensor:
        """Copy an extra to the device; class numbers stay integers."""
        dtype = self.precision.dtype if extra.is_floating_point() else extra.dtype
        return extra.to(self.precision.device, dtype, non_blocking=True)

    def _backward(self, losses: Losses) -> None:
        """Compute and accumulate the gradients of losses, and accumulate their values."""
        with self.precision.full():
            if losses:
                torch.autograd.backward(torch.stack([loss.reshape(()) for loss in losses.values()]).sum() * self._share)
            for name, loss in losses.items():
                value = loss.detach().reshape(()) * self._share
                self._losses[name] = self._losses[name] + value if name in self._losses else value
