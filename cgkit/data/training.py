"""Provide the training images of a run as batches for each step."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from cgkit.contracts import Domain
from cgkit.data.extras import blank_extras
from cgkit.data.loading import Batch, UnpairedImages, training_batches
from cgkit.data.pixel_formats import pixel_formats
from cgkit.data.preparation import Preparation
from cgkit.data.sampling import StepBatches
from cgkit.data.workers import check_shared_memory, count_workers
from cgkit.spec import Spec


@dataclass(frozen=True)
class Origin:
    """Where the order of images begins: at the start of the run, or where its batch or its images last changed.

    Attributes:
        step: the number of steps done before.
        position: the number of images of each domain that were shown before.
        epochs: the number of epochs done before.
        first: the position at which the first epoch of the present images begins.
    """

    step: int = 0
    position: int = 0
    epochs: float = 0.0
    first: int = 0


class TrainingData:
    """The training images of both domains, in an order that depends on the spec's seed."""

    def __init__(
        self, spec: Spec, domains: tuple[Domain, Domain], preparations: tuple[Preparation, Preparation]
    ) -> None:
        self.domains = domains
        # Compute the fingerprints at the start of the run, since the files may change during it.
        self.fingerprints = {side: domain.fingerprint() for side, domain in zip("ab", domains, strict=True)}
        self._spec = spec
        self._preparations = preparations
        self._origin = Origin()
        self._images = self._order_images()

    @property
    def counts(self) -> dict[str, int]:
        """The number of images by domain."""
        return {side: len(domain) for side, domain in zip("ab", self.domains, strict=True)}

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, as JSON values."""
        origin, shown = asdict(self._origin), self._images_in_a_step
        return {"origin": origin, "shown": shown, "epoch_steps": self.epoch_steps, "images": self.counts}

    def resume(self, step: int, state: Mapping[str, Any] | None, *, changed: bool) -> None:
        """Continue after `step` steps in the order of a saved run.

        If a step has another number of images now, they continue where the saved run stopped. If the images have
        changed, a new epoch begins, so that every image is shown once before any is repeated.

        Args:
            step: the number of steps done.
            state: the result of `state`; None if an earlier version saved the run.
            changed: whether the images have changed.
        """
        if state is None:
            return
        origin, shown = Origin(**state["origin"]), state["shown"]
        if changed or shown != self._images_in_a_step:
            position = origin.position + (step - origin.step) * shown
            epochs = origin.epochs + (step - origin.step) / state["epoch_steps"]  # of the saved run
            origin = Origin(step, position, epochs, position if changed else origin.first)
        self._origin = origin
        self._images = self._order_images()

    def _order_images(self) -> UnpairedImages:
        spec = self._spec
        pixels = pixel_formats(spec.data)
        return UnpairedImages(self.domains, pixels, self._preparations, spec.seed, first=self._origin.first)

    def noise(self, count: int) -> Batch:
        """Return a batch of `count` images of noise, shaped like a training batch, to try a step with."""
        data = self._spec.data
        images_a, images_b = (torch.rand(count, channels, *data.size) * 2 - 1 for channels in data.channels)
        return Batch(images_a, images_b, ("noise",) * count, ("noise",) * count, self._blank_extras(count))

    @property
    def _images_in_a_step(self) -> int:
        return self._spec.train.batch * self._spec.train.accumulate

    @property
    def epoch_steps(self) -> int:
        """The number of steps that it takes to show every image of the larger domain once."""
        return -(-max(map(len, self.domains)) // self._images_in_a_step)

    def epochs_at(self, step: int) -> float:
        """Return the number of epochs that are done after a step."""
        return self._origin.epochs + (step - self._origin.step) / self.epoch_steps

    @property
    def steps(self) -> int:
        """The number of steps of the run."""
        train, origin = self._spec.train, self._origin
        left = ((train.epochs or 200) - origin.epochs) * self.epoch_steps
        return train.steps or origin.step + math.ceil(round(left, 6))

    def check_shared_memory(self, *, count: int, on_gpu: bool) -> None:
        """Check that the batches that workers load ahead fit the shared memory.

        Raises:
            ResourceError: the shared memory is too small for the workers.
        """
        train, (height, width) = self._spec.train, self._spec.data.size
        extras = self._blank_extras(1).values()
        of_pair = 4 * sum(self._spec.data.channels) * height * width + sum(extra.nbytes for extra in extras)
        check_shared_memory(self._workers(on_gpu), train.batch // count * of_pair, held=train.accumulate)

    def batches(
        self, first: int, *, rank: int, count: int, pin_memory: bool, stopping: Callable[[], bool]
    ) -> Generator[list[Batch], None, None]:
        """Yield a list of `train.accumulate` batches for each remaining step.

        Args:
            first: The number of steps already done.
            rank: The rank for which images are loaded.
            count: The number of ranks, which load disjoint parts of each batch.
            pin_memory: Whether to copy the images to pinned memory, for the transfer to a GPU.
            stopping: Asked while there is nothing to yield; if it returns true, the iterator ends.
        """
        train = self._spec.train
        began, offset = self._origin.step, self._origin.position
        steps = first - began, self.steps - began
        order = StepBatches(*steps, train.batch, train.accumulate, rank=rank, count=count, offset=offset)
        workers = self._workers(on_gpu=pin_memory)
        loaded = training_batches(self._images, order, workers=workers, pin_memory=pin_memory, stopping=stopping)
        with closing(loaded):
            while len(batches := list(islice(loaded, train.accumulate))) == train.accumulate:
                yield batches

    def _workers(self, on_gpu: bool) -> int:
        rendered = self.domains[0][0].render is not None
        return count_workers(self._spec.data.workers, on_gpu=on_gpu, rendered=rendered)

    def _blank_extras(self, count: int) -> dict[str, Tensor]:
        data = self._spec.data
        return {
            f"{side}.{name}": extra
            for side, partner, preparation in zip("ab", data.channels[::-1], self._preparations, strict=True)
            for name, extra in blank_extras(preparation.extras, count, data.size, partner).items()
        }
