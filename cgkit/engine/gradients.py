"""The gradients and losses of a step, over all of its batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cgkit.data.loading import Batch
from cgkit.engine.cyclegan import CycleGAN
from cgkit.engine.image_pool import ImagePools, Places
from cgkit.engine.memory import spares_memory, train_one_cycle_at_a_time
from cgkit.engine.objective import Objective, Terms
from cgkit.engine.precision import Precision
from cgkit.engine.step import Step


@dataclass(frozen=True)
class Inputs:
    """What a step needs of one batch, on the device: real images, and the places in the image pools."""

    real_a: Tensor
    real_b: Tensor
    places: Places

    def fill(self, batch: Batch, places: Places) -> None:
        """Copy a batch into these tensors, without waiting for the copies."""
        self.real_a.copy_(batch.real_a, non_blocking=True)
        self.real_b.copy_(batch.real_b, non_blocking=True)
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
        self._losses: Terms = {}
        self._share = 1.0

    def place(self, batch: Batch, step: int, number: int) -> Inputs:
        """Copy batch `number` of a step to the device."""
        places = self.draw_places(batch, step, number)
        return Inputs(
            self.precision.place(batch.real_a),
            self.precision.place(batch.real_b),
            {domain: drawn.to(self.precision.device, non_blocking=True) for domain, drawn in places.items()},
        )

    def draw_places(self, batch: Batch, step: int, number: int) -> Places:
        """Draw the places in the image pools of the translations of a batch."""
        passes, counts = self.objective.passes, {}
        if passes.fake_a:
            counts["a"] = len(batch.real_b)
        if passes.fake_b:
            counts["b"] = len(batch.real_a)
        return self.image_pools.draw(step, number, counts)

    def compute(self, batches: Sequence[Inputs]) -> Terms:
        """Accumulate the gradients for batches on the device.

        Returns:
            The loss terms: weighted scalars on the device, averaged over the batches.
        """
        self._losses = {}
        self._share = 1 / len(batches)
        self.objective.draws.restart()
        with self.precision.autocast():
            for batch in batches:
                self.image_pools.places = batch.places
                if spares_memory(self._memory, batch.real_a):
                    train_one_cycle_at_a_time(self._step, batch.real_a, batch.real_b)
                else:
                    self._step(batch.real_a, batch.real_b)
        return self._losses

    def _backward(self, terms: Terms) -> None:
        """Compute and accumulate the gradients of loss terms, and accumulate their values."""
        with self.precision.full():
            if terms:
                torch.autograd.backward(torch.stack(list(terms.values())).sum() * self._share)
            for name, term in terms.items():
                value = term.detach() * self._share
                self._losses[name] = self._losses[name] + value if name in self._losses else value
