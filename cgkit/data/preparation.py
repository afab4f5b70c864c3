"""Read, frame and augment one image, and what belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgkit.abilities import is_geometric, scaler_of
from cgkit.contracts import ImageHeader, ImageRecord, Layout, Size
from cgkit.data import extras as extra_images
from cgkit.data.framing import COVERING, cover, crop_scaled
from cgkit.data.randomness import seeded
from cgkit.errors import CgkitError, DataError, PluginError, is_out_of_memory
from cgkit.images.encoded import EncodedImage
from cgkit.images.formats import Formats, built_in
from cgkit.images.pixels import PixelFormat, to_unit
from cgkit.images.reading import read_with_missing

TRIES = 10
"""How often a part of an image with pixels without data is chosen, to find one without."""

FEW = 0.01
"""The share of pixels without data that a training image may have."""

_MISSING = "missing"


@dataclass(frozen=True)
class Preparation:
    """The steps that turn an image of a domain into network input.

    Attributes:
        size: The height and width of training images, in pixels.
        framing: The augmentation that scales and crops images to `size`, or None to use `cover` instead.
        framed_as: The name of the framing and its options, for the protocols of scores.
        augmentations: The augmentations with the role `"data"`, in the order in which they are applied.
        extras: The names of the extras that training needs: `mask`, `label` or `partner`.
        formats: The formats in which image files may be; by default those that ship with cgkit.
    """

    size: Size
    framing: nn.Module | None = None
    augmentations: tuple[nn.Module, ...] = ()
    extras: tuple[str, ...] = ()
    formats: Formats = field(default_factory=built_in)
    framed_as: str = ""

    def load(self, record: ImageRecord, pixels: PixelFormat) -> Tensor:
        """Load an image of a domain as float32 `(C, H, W)` in [0, 1], at its original size."""
        return self._load(record, pixels)[0]

    def _load(self, record: ImageRecord, pixels: PixelFormat) -> tuple[Tensor, Tensor | None]:
        """Load an image, and 1 for each of its pixels without data, `(1, H, W)`; None if it has no such pixels."""
        if record.render is not None:
            with _failures_explained(f"rendering {record.name} in the source"):
                return _convert_rendered(record.render(), record.name, pixels), None
        if record.encoded is not None:
            return read_with_missing(fetch(record.name, record.encoded), pixels, self.formats)
        if record.path is None:
            raise PluginError(f"the image {record.name!r} from the source has no path, no bytes and no render function")
        return read_with_missing(record.path, pixels, self.formats)

    def for_testing(self, record: ImageRecord, pixels: PixelFormat) -> Tensor:
        """Return an image scaled as for training and cropped to the training size, without randomness.

        An image is only scaled to cover the size if the framing does not say how it scales (see
        `cgkit.contracts.Augmentation`).
        """
        return self._frame_for_testing(self.load(record, pixels), record.name)

    def label_for_testing(self, record: ImageRecord) -> Tensor:
        """Return the label of a test image, int64 `(1, H, W)`, framed like the image; 0 everywhere if it has none."""
        label = record.extras.get("label")
        if label is None:
            return torch.zeros(1, *self.size, dtype=torch.int64)
        values = self.load(label, PixelFormat(channels=1))[None]
        moved = extra_images.move_labels(values, lambda image: self._frame_for_testing(image[0], record.name)[None])
        return (moved[0] * extra_images.CLASSES).round().long()

    def _frame_for_testing(self, image: Tensor, name: str) -> Tensor:
        scaled_size = scaler_of(self.framing)
        if scaled_size is None:
            return cover(image, self.size)
        with _failures_explained(f"framing {self.framed_as}"):
            scaled = scaled_size((image.shape[-2], image.shape[-1]), self.size)
        try:
            return crop_scaled(image, scaled, self.size)
        except ValueError as error:
            raise DataError(f"{name}: {error}") from error

    @property
    def framing_of_tests(self) -> str:
        """How `for_testing` frames images. Protocols are compared by this text."""
        return COVERING if scaler_of(self.framing) is None else f"scaled by {self.framed_as}, cut at the centre"

    def for_training(
        self, record: ImageRecord, pixels: PixelFormat, seed: int, partner: PixelFormat | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return an image framed and augmented, with random numbers that depend only on `seed`, and its extras.

        Args:
            record: The image.
            pixels: The pixel format of its domain.
            seed: The seed of all random numbers.
            partner: The pixel format of the other domain, for partner images.
        """
        with seeded(seed):
            whole, missing = self._load(record, pixels)
            extras = self._load_extras(record, whole.shape[-2:], partner or pixels)
            image, extras = self._frame_data(whole[None], missing, extras, self._frame(record.name))
            for augmentation in self.augmentations:
                with _failures_explained(f"augmentation {type(augmentation).__module__}.{type(augmentation).__name__}"):
                    image = self._move(image, extras, augmentation, geometric=is_geometric(augmentation))
        if image.shape != (1, pixels.channels, *self.size):
            raise PluginError(f"the augmentations turned {record.name} into the wrong shape {tuple(image.shape)}")
        return image[0], extra_images.finish(extras, record)

    def _frame_data(
        self, image: Tensor, missing: Tensor | None, extras: dict[str, Tensor], frame: Callable[[Tensor], Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Frame an image and its extras; of several tries, return the first that shows hardly any pixel without data.

        If all tries show more, return the one that shows the fewest.
        """
        if missing is None:
            return self._move(image, extras, frame, geometric=True), extras
        tries = []
        for _ in range(TRIES):
            moved = {**extras, _MISSING: missing[None]}
            framed = self._move(image, moved, frame, geometric=True)
            share = float(moved.pop(_MISSING).mean())
            tries.append((share, framed, moved))
            if share <= FEW:
                break
        _, framed, moved = min(tries, key=lambda one: one[0])
        return framed, moved

    def _frame(self, name: str) -> Callable[[Tensor], Tensor]:
        framing = self.framing
        if framing is None:
            return lambda image: cover(image[0], self.size)[None]

        def frame(image: Tensor) -> Tensor:
            try:
                framed: Tensor = framing(image, self.size)
            except ValueError as error:
                raise DataError(f"{name}: {error}") from error
            return framed

        return frame

    def _load_extras(self, record: ImageRecord, size: torch.Size, partner: PixelFormat) -> dict[str, Tensor]:
        """Return the extras of an image, `(1, C, H, W)` in [0, 1] and of its size; zeros for those that it lacks."""
        extras = {}
        for name in self.extras:
            pixels = partner if name == "partner" else PixelFormat(channels=1)
            own = record.extras.get(name)
            if own is None:
                extras[name] = torch.zeros(1, pixels.channels, *size)
            else:
                extras[name] = self.load(own, pixels)[None]
                extra_images.check_size(name, own, extras[name], size, record)
        return extras

    def _move(
        self, image: Tensor, extras: dict[str, Tensor], move: Callable[[Tensor], Tensor], *, geometric: bool
    ) -> Tensor:
        """Apply an augmentation to an image and, if it only moves pixels, to its extras, with the same draws."""
        if not extras or not geometric:
            return move(image)
        before = torch.get_rng_state()
        moved = move(image)
        after = torch.get_rng_state()
        for name, extra in extras.items():
            torch.set_rng_state(before)
            extras[name] = extra_images.move_labels(extra, move) if name == "label" else move(extra)
        torch.set_rng_state(after)
        return moved


def fetch(name: str, encoded: Callable[[], bytes]) -> EncodedImage:
    """Return the file of an image whose bytes the source returns."""
    with _failures_explained(f"fetching {name} from the source"):
        return EncodedImage(name, encoded())


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


@contextmanager
def _failures_explained(what: str) -> Iterator[None]:
    """Turn an unexpected exception into a `PluginError` that names what failed.

    `CgkitError` and lack of memory pass through.
    """
    try:
        yield
    except (CgkitError, MemoryError):
        raise
    except Exception as error:  # a third-party component may raise anything
        if is_out_of_memory(error):
            raise
        raise PluginError(f"{what} failed: {type(error).__name__}: {error}") from error
