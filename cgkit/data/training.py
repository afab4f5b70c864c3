"""Provide the training images of a run as batches for each step."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from itertools import islice

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
        self._images = UnpairedImages(domains, pixel_formats(spec.data), preparations, spec.seed)

    def noise(self, count: int) -> Batch:
        """Return a batch of `count` images of noise, shaped like a training batch, to try a step with."""
        data = self._spec.data
        images_a, images_b = (torch.rand(count, channels, *data.size) * 2 - 1 for channels in data.channels)
        return Batch(images_a, images_b, ("noise",) * count, ("noise",) * count, self._blank_extras(count))

    @property
    def epoch_steps(self) -> int:
        """The number of steps that it takes to show every image of the larger domain once."""
        train = self._spec.train
        return -(-max(map(len, self.domains)) // (train.batch * train.accumulate))

    @property
    def steps(self) -> int:
        """The number of steps of the run."""
        train = self._spec.train
        return train.steps or (train.epochs or 200) * self.epoch_steps

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
        order = StepBatches(first, self.steps, train.batch, train.accumulate, rank=rank, count=count)
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
