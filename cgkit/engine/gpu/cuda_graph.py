"""A training step recorded as CUDA graphs, so that two calls launch it instead of thousands.

A step has two graphs: one computes the gradients, the other updates the weights. Between them, ranks average their
gradients, and the host learns whether the previous step was finite. A graph repeats the same operations on the same
memory, so images and places in the image pools are copied to fixed tensors, learning rates are tensors, and nothing in
a graph may depend on a decision or a random number of the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cgkit.abilities import draws_of, observer_of, penalty_of, remembers_images
from cgkit.data.loading import Batch
from cgkit.engine.cyclegan import CycleGAN
from cgkit.engine.image_pool import ImagePools, Places
from cgkit.engine.objective import Objective, Terms

WARM_UPS = 2
"""Steps before recording, in which libraries choose algorithms and allocate workspaces."""


@dataclass(frozen=True)
class Inputs:
    """What a step needs to know of one batch, on the device: real images, and the places in the image pools."""

    real_a: Tensor
    real_b: Tensor
    places: Places

    def fill(self, batch: Batch, places: Places) -> None:
        """Copy a batch into these tensors, without waiting for the copies."""
        self.real_a.copy_(batch.real_a, non_blocking=True)
        self.real_b.copy_(batch.real_b, non_blocking=True)
        for domain, target in self.places.items():
            target.copy_(places[domain], non_blocking=True)


def repair_random_generator(device: torch.device) -> None:
    """Make the random generator of a GPU usable again after a recording failed, which leaves it in recording mode."""
    generator = torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
    generator.graphsafe_set_state(torch.Generator(device).graphsafe_get_state())


class RecordedStep:
    """The CUDA graphs of a step.

    Args:
        inputs: the fixed inputs of the step's batches.
        compute_gradients: accumulates the gradients for inputs, and returns the loss terms.
        gradients: returns all gradients.
        update: updates the weights, and returns whether losses and gradients were finite, as a device scalar.
        image_pools: the image pools that `compute_gradients` exchanges images with.
    """

    def __init__(
        self,
        inputs: Sequence[Inputs],
        *,
        compute_gradients: Callable[[Sequence[Inputs]], Terms],
        gradients: Callable[[], list[Tensor]],
        update: Callable[[Terms], Tensor],
        image_pools: ImagePools,
    ) -> None:
        self.inputs = inputs
        self._pools = image_pools
        # With lanes, gradients of the same weight come from several streams, for which autograd waits.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
        torch.cuda.empty_cache()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                losses = compute_gradients(inputs)
                # Losses that are not finite: the update initialises the optimisers, but changes nothing.
                update({name: torch.full_like(loss, torch.nan) for name, loss in losses.items()})
        torch.cuda.current_stream().wait_stream(stream)
        self._first, self._second = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._first, stream=stream, capture_error_mode="thread_local"):
            losses = compute_gradients(inputs)
            self._losses = torch.stack([loss.reshape(()) for loss in losses.values()])
            self.losses: Terms = dict(zip(losses, self._losses.unbind(), strict=True))
        self.gradients = gradients()
        """The gradients, which `compute_gradients` overwrites."""
        self._exchanged = image_pools.exchanged
        with torch.cuda.graph(self._second, pool=self._first.pool(), stream=stream, capture_error_mode="thread_local"):
            self._finite = update(self.losses)

    def compute_gradients(self) -> None:
        """Compute gradients and losses for the present inputs."""
        self._first.replay()
        self._pools.exchanged = self._exchanged

    def update(self) -> tuple[Terms, Tensor]:
        """Update the weights; return copies of the losses, and whether losses and gradients were finite."""
        self._second.replay()
        self._pools.exchanged = {}
        return dict(zip(self.losses, self._losses.clone().unbind(), strict=True)), self._finite


def why_not_recorded(model: CycleGAN, objective: Objective, *, recomputes: bool) -> str | None:
    """Return why a step cannot be recorded as a CUDA graph; None if nothing is known that prevents it."""
    if penalty_of(objective.adversarial_loss) is not None:
        return "the penalty of the adversarial loss is differentiated twice"
    if any(observer_of(module) for module in objective.augmentations):
        return "an augmentation adapts to the discriminator while training"
    if any(draws_of(module) is None for module in objective.augmentations):
        return "an augmentation of the discriminators' images has no method `draw`"
    if any(remembers_images(discriminator) for discriminator in model.discriminators.values()):
        return "a discriminator remembers images"
    if recomputes:
        return 'memory = "low" restores the state of random numbers to compute activations again'
    return None
