"""A training step recorded as CUDA graphs, so that two calls launch it instead of thousands.

A step has two graphs: one computes the gradients, the other updates the weights. Between them, ranks average their
gradients, and the host learns whether the previous step was finite. A graph repeats the same operations on the same
memory, so images and places in the image pools are copied to fixed tensors, learning rates are tensors, and nothing in
a graph may depend on a decision or a random number of the host.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from cgkit.abilities import draws_of, observer_of, penalty_of, remembers_images
from cgkit.data.loading import Batch
from cgkit.engine.cyclegan import CycleGAN
from cgkit.engine.gpu.lanes import InOrder, OnStreams
from cgkit.engine.gradients import Gradients, Inputs
from cgkit.engine.image_pool import Places
from cgkit.engine.objective import Losses, Objective

STREAMS_UP_TO = 4 * 256 * 256
"""The most pixels in a batch for which a GPU computes independent parts of a step at the same time."""

WARM_UPS = 2
"""Steps before recording, in which libraries choose algorithms and allocate workspaces."""


class RecordedStep:
    """The CUDA graphs of a step.

    Args:
        gradients: computes the gradients.
        inputs: the fixed inputs of the step's batches.
        list_gradients: returns all gradients.
        update: updates the weights, and returns whether losses and gradients were finite, as a device scalar.
    """

    def __init__(
        self,
        gradients: Gradients,
        inputs: Sequence[Inputs],
        *,
        list_gradients: Callable[[], list[Tensor]],
        update: Callable[[Losses], Tensor],
    ) -> None:
        self._inputs = inputs
        self._pools = gradients.image_pools
        self._draws = gradients.objective.adversarial.draws
        # With lanes, gradients of the same weight come from several streams, for which autograd waits.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
        torch.cuda.empty_cache()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UPS):
                losses = gradients.compute(inputs)
                # Losses that are not finite: the update initialises the optimisers, but changes nothing.
                update({name: torch.full_like(loss, torch.nan) for name, loss in losses.items()})
        torch.cuda.current_stream().wait_stream(stream)
        self._first, self._second = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._first, stream=stream, capture_error_mode="thread_local"):
            losses = gradients.compute(inputs)
            self._losses = torch.stack([loss.reshape(()) for loss in losses.values()])
            self.losses: Losses = dict(zip(losses, self._losses.unbind(), strict=True))
        self.gradients = list_gradients()
        """The gradients, which `compute_gradients` overwrites."""
        self._exchanged = self._pools.exchanged
        with torch.cuda.graph(self._second, pool=self._first.pool(), stream=stream, capture_error_mode="thread_local"):
            self._finite = update(self.losses)

    def compute_gradients(self, batches: Sequence[Batch], places: Sequence[Places]) -> Losses:
        """Compute the gradients for batches and their places in the image pools; return the losses.

        The losses are overwritten in the next step.
        """
        self._draws.refill()
        for inputs, batch, drawn in zip(self._inputs, batches, places, strict=True):
            inputs.fill(batch, drawn)
        self._first.replay()
        self._pools.exchanged = self._exchanged
        return self.losses

    def update(self) -> tuple[Losses, Tensor]:
        """Update the weights; return copies of the losses, and whether losses and gradients were finite."""
        self._second.replay()
        self._pools.exchanged = {}
        return dict(zip(self.losses, self._losses.clone().unbind(), strict=True)), self._finite


def record(
    gradients: Gradients,
    inputs: Sequence[Inputs],
    *,
    seed_draws: Callable[[], None],
    list_gradients: Callable[[], list[Tensor]],
    update: Callable[[Losses], Tensor],
) -> RecordedStep | str:
    """Record a step, or return why it cannot be recorded. Buffers and image pools change, but no weights.

    Args:
        gradients: computes the gradients.
        inputs: the inputs of the step's batches; the graphs read these tensors.
        seed_draws: seeds all random generators for the step.
        list_gradients: returns all gradients.
        update: updates the weights, and returns whether losses and gradients were finite, as a device scalar.

    Raises:
        Exception: an operation cannot be recorded.
    """
    if (reason := _find_obstacle(gradients.model, gradients.objective)) is not None:
        return reason
    draws, model = gradients.objective.adversarial.draws, gradients.model
    draws.are_fixed = True
    try:
        seed_draws()
        gradients.compute(inputs)
        after = _read_random_state()
        seed_draws()
        draws.refill()
        if _read_random_state() != after:
            launch_from_host(gradients)
            return "a component draws random numbers on the CPU"
        few = all(batch.real_a[:, 0].numel() <= STREAMS_UP_TO for batch in inputs)
        if few:
            model.lanes = OnStreams(discriminators_early=not list(model.discriminators.buffers()))
        return RecordedStep(gradients, inputs, list_gradients=list_gradients, update=update)
    except BaseException:
        launch_from_host(gradients)
        _repair_random_generator(gradients.precision.device)
        raise


def launch_from_host(gradients: Gradients) -> None:
    """Undo what recording a step changed in how its gradients are computed."""
    gradients.model.lanes = InOrder()
    gradients.objective.adversarial.draws.forget()


def _find_obstacle(model: CycleGAN, objective: Objective) -> str | None:
    """Return why a step cannot be recorded; None if nothing is known that prevents it."""
    if any(penalty_of(loss) is not None for loss in objective.adversarial.losses):
        return "the penalty of the adversarial loss is differentiated twice"
    if any(observer_of(module) for module in objective.adversarial.augmentations):
        return "an augmentation adapts to the discriminator while training"
    if any(draws_of(module) is None for module in objective.adversarial.augmentations):
        return "an augmentation of the discriminators' images has no method `draw`"
    if any(remembers_images(discriminator) for discriminator in model.discriminators.values()):
        return "a discriminator remembers images"
    if model.recompute:
        return 'memory = "low" restores the state of random numbers to compute activations again'
    return None


def _read_random_state() -> tuple[object, ...]:
    """Return the state of all random generators on the CPU, to compare."""
    numbers = np.random.get_state()
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), numbers[1].tobytes(), numbers[2:]  # type: ignore[index]


def _repair_random_generator(device: torch.device) -> None:
    """Make the random generator of a GPU usable again after a recording failed, which leaves it in recording mode."""
    generator = torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
    generator.graphsafe_set_state(torch.Generator(device).graphsafe_get_state())
