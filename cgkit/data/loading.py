"""Combine prepared images into batches, in this process or in worker processes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from cgkit.contracts import Domain
from cgkit.data.damage import Kept
from cgkit.data.preparation import Preparation
from cgkit.data.randomness import derive_seed
from cgkit.data.sampling import EpochOrder, StepBatches
from cgkit.data.worker_processes import POLL, WorkerProcesses, prepare_worker, share
from cgkit.data.workers import AHEAD
from cgkit.errors import CgkitError, DamagedImageError, DataError
from cgkit.images.pixels import PixelFormat

REDRAWS = 100
"""The maximum number of damaged images in a row that are replaced."""

REMEDIES = (
    "repair or remove it and continue with --change data, or set data.skip_damaged = true; "
    "cgkit check --decode lists all such images"
)


@dataclass(frozen=True)
class Batch:
    """Training images of both domains, `(N, C, H, W)` in [-1, 1], the names of the images, and what else is known.

    `extras` has the extras that terms of the objective need, by domain and name, such as `a.mask` (see
    `cgkit.contracts.Given`), and for each of them, such as `a.mask.present`, which images have one: `(N,)`, 1 or 0.
    `damaged` says what is wrong with each damaged image that was replaced by another one.
    """

    real_a: Tensor
    real_b: Tensor
    names_a: tuple[str, ...]
    names_b: tuple[str, ...]
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    damaged: tuple[str, ...] = ()

    def pin_memory(self) -> Batch:
        """Return the batch in pinned memory, from which it is copied to a GPU without waiting."""
        return self.map(Tensor.pin_memory)

    def map(self, move: Callable[[Tensor], Tensor]) -> Batch:
        """Return the batch with a function applied to each tensor."""
        extras = {name: move(extra) for name, extra in self.extras.items()}
        return replace(self, real_a=move(self.real_a), real_b=move(self.real_b), extras=extras)


Item = tuple[Tensor, Tensor, str, str, dict[str, Tensor], list[str]]
"""An image of domain a, an image of domain b, the names of the two, their extras, and damaged images as in `Batch`."""


class UnpairedImages(Dataset[Item]):
    """Pairs of unrelated images, one from each domain, in the order of a run.

    A pair's position is counted from the start of the run; any process can request the pairs in any order.
    """

    def __init__(
        self,
        domains: tuple[Domain, Domain],
        pixels: tuple[PixelFormat, PixelFormat],
        preparations: tuple[Preparation, Preparation],
        seed: int,
        *,
        first: int = 0,
    ) -> None:
        self._domains = domains
        self._pixels = pixels
        self._preparations = preparations
        self._seed = seed
        self._orders = tuple(
            EpochOrder(domain, seed, f"order-{side}", first) for domain, side in zip(domains, "ab", strict=True)
        )

    def __getitem__(self, position: int) -> Item:
        """Return the images from domains a and b at a position, in [-1, 1], and what belongs to them."""
        damaged: list[str] = []
        (image_a, name_a, extras_a), (image_b, name_b, extras_b) = (
            self._load_undamaged(side, position, damaged) for side in (0, 1)
        )
        return image_a, image_b, name_a, name_b, {**extras_a, **extras_b}, damaged

    def _load_undamaged(self, side: int, position: int, damaged: list[str]) -> tuple[Tensor, str, dict[str, Tensor]]:
        """Load the image at a position; if it is damaged, load another one, which depends on the position alone.

        What is wrong with damaged images is added to `damaged`.
        """
        domain, index = self._domains[side], self._orders[side][position]
        for number in range(REDRAWS):
            try:
                return self._load(side, position, index)
            except DamagedImageError as error:
                if not isinstance(domain, Kept):
                    raise DamagedImageError(error.message, hint=REMEDIES) from error
                damaged.append(error.message)
                index = derive_seed(self._seed, f"replacement-{'ab'[side]}", position, number) % len(domain)
        raise DataError(f"{damaged[-1]}, and so were {REDRAWS - 1} others in a row", hint="check --decode lists them")

    def _load(self, side: int, position: int, index: int) -> tuple[Tensor, str, dict[str, Tensor]]:
        domain, record = "ab"[side], self._domains[side][index]
        seed = derive_seed(self._seed, f"augmentation-{domain}", position)
        pixels, partner = self._pixels[side], self._pixels[1 - side]
        image, extras = self._preparations[side].for_training(record, pixels, seed, partner)
        return image.mul(2).sub_(1), record.name, {f"{domain}.{name}": extra for name, extra in extras.items()}


def training_batches(
    images: UnpairedImages,
    batches: StepBatches,
    *,
    workers: int,
    pin_memory: bool = False,
    stopping: Callable[[], bool] = lambda: False,
) -> Generator[Batch, None, None]:
    """Yield the batches in order, loaded by `workers` processes, or by this process if `workers` is 0.

    The workers end with the iterator; close it where it must not be left to the garbage collector.

    Args:
        images: the images.
        batches: the positions of the images in each batch.
        workers: the number of processes.
        pin_memory: whether to copy the batches to pinned memory.
        stopping: asked about once a second while the workers have no batch; if it returns true, the iterator ends.

    Raises:
        DataError: An image cannot be read, or a worker died or did not answer in time.
        PluginError: The source or an augmentation failed.
        ResourceError: A worker was killed, or the shared memory is full.
    """
    # torch warns of more workers than cores, which are the user's choice.
    warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)
    loader = DataLoader(
        _ErrorsAsItems(images),
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        timeout=POLL if workers else 0,
        worker_init_fn=prepare_worker,
        prefetch_factor=AHEAD if workers else None,
    )
    with closing(_load_with_workers(loader, stopping) if workers else _load_here(loader)) as loaded:
        for batch in loaded:
            if isinstance(batch, CgkitError):
                raise batch
            yield batch


def _load_here(loader: DataLoader[Any]) -> Generator[Batch | CgkitError, None, None]:
    iterator = iter(loader)
    while True:
        # Load in one thread, as workers do, since with more threads sums may differ in the last bit.
        with _one_thread():
            batch = next(iterator, None)
        if batch is None:
            return
        yield batch


def _load_with_workers(
    loader: DataLoader[Any], stopping: Callable[[], bool]
) -> Generator[Batch | CgkitError, None, None]:
    processes = WorkerProcesses(loader)
    try:
        while (batch := processes.next_batch(stopping)) is not None:
            yield batch
    finally:
        processes.end()


def batch_of_tests(domain: Domain, pixels: PixelFormat, preparation: Preparation, count: int) -> Tensor:
    """Return the first `count` test images, or all if there are fewer, as `(N, C, H, W)` in [0, 1]."""
    records = [domain[index] for index in range(min(count, len(domain)))]
    return torch.stack([preparation.for_testing(record, pixels) for record in records])


class _ErrorsAsItems(Dataset[Item | CgkitError]):
    """A data set that returns each `CgkitError` as an item.

    An exception raised in a worker would reach the parent process only as text.
    """

    def __init__(self, images: UnpairedImages) -> None:
        self._images = images

    def __getitem__(self, position: int) -> Item | CgkitError:
        try:
            return self._images[position]
        except CgkitError as error:
            return error


def _collate(items: Sequence[Item | CgkitError]) -> Batch | CgkitError:
    if error := next((item for item in items if isinstance(item, CgkitError)), None):
        return error
    images_a, images_b, names_a, names_b, extras, damaged = zip(*items, strict=True)
    stacked = {name: torch.stack([each[name] for each in extras]) for name in extras[0]}
    batch = Batch(torch.stack(images_a), torch.stack(images_b), names_a, names_b, stacked, tuple(chain(*damaged)))
    if get_worker_info() is None:
        return batch
    try:
        return batch.map(share)
    except CgkitError as error:
        return error


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
