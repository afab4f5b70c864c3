"""Read, frame and augment images, and combine them into batches, in this process or in worker processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from cgkit.contracts import Domain, ImageHeader, ImageRecord, Layout, Size
from cgkit.data.framing import cover
from cgkit.data.randomness import derive_seed, seeded
from cgkit.data.sampling import EpochOrder, StepBatches
from cgkit.data.workers import AHEAD
from cgkit.errors import CgkitError, DataError, PluginError
from cgkit.images.encoded import EncodedImage
from cgkit.images.formats import Formats, built_in
from cgkit.images.pixels import PixelFormat, to_unit
from cgkit.images.reading import read_image

WORKER_TIMEOUT = 600
"""Seconds to wait for a batch from the workers before raising an error, so that a run cannot hang forever."""


@dataclass(frozen=True)
class Batch:
    """Training images of both domains, `(N, C, H, W)` in [-1, 1], and the names of the images."""

    real_a: Tensor
    real_b: Tensor
    names_a: tuple[str, ...]
    names_b: tuple[str, ...]


@dataclass(frozen=True)
class Preparation:
    """The steps that turn an image into network input.

    Attributes:
        size: The height and width of training images, in pixels.
        framing: The augmentation that scales and crops images to `size`, or None to use `cover` instead.
        augmentations: The augmentations with the role `"data"`, in the order in which they are applied.
        formats: The formats in which image files may be; by default those that ship with cgkit.
    """

    size: Size
    framing: nn.Module | None = None
    augmentations: tuple[nn.Module, ...] = ()
    formats: Formats = field(default_factory=built_in)

    def load(self, record: ImageRecord, pixels: PixelFormat) -> Tensor:
        """Load an image of a domain as float32 `(C, H, W)` in [0, 1], at its original size."""
        if record.render is not None:
            with _failures_explained(f"rendering {record.name} in the source"):
                return _convert_rendered(record.render(), record.name, pixels)
        if record.encoded is not None:
            with _failures_explained(f"fetching {record.name} from the source"):
                file = EncodedImage(record.name, record.encoded())
            return read_image(file, pixels, self.formats)
        if record.path is None:
            raise PluginError(f"the image {record.name!r} from the source has no path, no bytes and no render function")
        return read_image(record.path, pixels, self.formats)

    def for_testing(self, record: ImageRecord, pixels: PixelFormat) -> Tensor:
        """Return an image scaled and cropped to the training size, without randomness."""
        return cover(self.load(record, pixels), self.size)

    def for_training(self, record: ImageRecord, pixels: PixelFormat, seed: int) -> Tensor:
        """Return an image framed and augmented, with random numbers that depend only on `seed`."""
        with seeded(seed):
            image = self.load(record, pixels)[None]
            if self.framing is None:
                image = cover(image[0], self.size)[None]
            else:
                image = _frame(self.framing, image, self.size, record.name)
            for augmentation in self.augmentations:
                with _failures_explained(f"augmentation {type(augmentation).__module__}.{type(augmentation).__name__}"):
                    image = augmentation(image)
        if image.shape != (1, pixels.channels, *self.size):
            raise PluginError(f"the augmentations turned {record.name} into the wrong shape {tuple(image.shape)}")
        return image[0]


Item = tuple[Tensor, Tensor, str, str]
"""An image from domain a, an image from domain b, and the names of the two."""


class UnpairedImages(Dataset[Item]):
    """Pairs of unrelated images, one from each domain, in the order of a run.

    A pair's position is counted from the start of the run; any process can request the pairs in any order.
    """

    def __init__(
        self,
        domains: tuple[Domain, Domain],
        pixels: tuple[PixelFormat, PixelFormat],
        preparation: Preparation,
        seed: int,
    ) -> None:
        self._domains = domains
        self._pixels = pixels
        self._preparation = preparation
        self._seed = seed
        self._orders = tuple(
            EpochOrder(domain, seed, f"order-{side}") for domain, side in zip(domains, "ab", strict=True)
        )

    def __getitem__(self, position: int) -> Item:
        """Return the images from domains a and b at a position, in [-1, 1], and the names of the images."""
        (image_a, name_a), (image_b, name_b) = (self._load(side, position) for side in (0, 1))
        return image_a, image_b, name_a, name_b

    def _load(self, side: int, position: int) -> tuple[Tensor, str]:
        record = self._domains[side][self._orders[side][position]]
        seed = derive_seed(self._seed, f"augmentation-{'ab'[side]}", position)
        image = self._preparation.for_training(record, self._pixels[side], seed)
        return image.mul(2).sub_(1), record.name


def training_batches(
    images: UnpairedImages, batches: StepBatches, *, workers: int, pin_memory: bool = False
) -> Iterator[Batch]:
    """Yield the batches in order, loaded by `workers` processes, or by this process if `workers` is 0.

    Raises:
        DataError: An image cannot be read, or a worker died or did not answer in time.
        PluginError: The source or an augmentation failed.
    """
    loader = DataLoader(
        _ErrorsAsItems(images),
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        timeout=WORKER_TIMEOUT if workers else 0,
        worker_init_fn=_ignore_signals,
        prefetch_factor=AHEAD if workers else None,
    )
    iterator = iter(loader)
    try:
        while True:
            try:
                # Load in one thread, as workers do, since with more threads sums may differ in the last bit.
                with _one_thread(workers == 0):
                    batch = next(iterator)
            except StopIteration:
                return
            except RuntimeError as error:
                if "DataLoader" not in str(error):
                    raise
                raise DataError(
                    f"reading images failed: {str(error).splitlines()[0]}",
                    hint="a worker process died or hung; set data.workers = 0 to see the cause",
                ) from error
            if isinstance(batch, CgkitError):
                raise batch
            yield batch
    finally:
        del iterator  # stops the workers now, even if a traceback keeps this frame alive


def batch_of_tests(domain: Domain, pixels: PixelFormat, preparation: Preparation, count: int) -> Tensor:
    """Return the first `count` test images, or all if there are fewer, as `(N, C, H, W)` in [0, 1]."""
    records = [domain[index] for index in range(min(count, len(domain)))]
    return torch.stack([preparation.for_testing(record, pixels) for record in records])


def _convert_rendered(image: NDArray[np.float32], name: str, pixels: PixelFormat) -> Tensor:
    """Convert a rendered image, `(C, H, W)` in [0, 1], to the channels of its domain."""
    channels, height, width = image.shape
    if channels == pixels.channels:
        return torch.from_numpy(image)
    layout: Layout = "grey" if channels == 1 else "colour" if channels == 3 else "bands"
    header = ImageHeader(width, height, channels, "drawn", "float32", layout)
    try:
        return to_unit(image.transpose(1, 2, 0), header, replace(pixels, range=(0, 1)))[0]
    except DataError as error:
        raise DataError(f"{name}: {error.message}", hint="set data.channels to match the source") from error


def _frame(framing: nn.Module, image: Tensor, size: Size, name: str) -> Tensor:
    try:
        framed: Tensor = framing(image, size)
    except ValueError as error:
        raise DataError(f"{name}: {error}") from error
    return framed


@contextmanager
def _failures_explained(what: str) -> Iterator[None]:
    """Turn an unexpected exception into a `PluginError` that names what failed.

    `CgkitError` and `MemoryError` pass through.
    """
    try:
        yield
    except (CgkitError, MemoryError):
        raise
    except Exception as error:  # a third-party component may raise anything
        raise PluginError(f"{what} failed: {type(error).__name__}: {error}") from error


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
    images_a, images_b, names_a, names_b = zip(*items, strict=True)
    return Batch(torch.stack(images_a), torch.stack(images_b), names_a, names_b)


def _ignore_signals(worker: int) -> None:
    """Make a worker ignore signals.

    Terminals and schedulers send a signal to every process, but workers must run until their parent stops them.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(signal.Signals[name], signal.SIG_IGN)


@contextmanager
def _one_thread(wanted: bool) -> Iterator[None]:
    threads = torch.get_num_threads()
    if not wanted or threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
