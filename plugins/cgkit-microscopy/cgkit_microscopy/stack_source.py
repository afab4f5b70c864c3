"""The source `stacks`: the planes of stacks."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tifffile
from annotated_types import Ge, Lt

from cgkit.contracts import ImageRecord, Size
from cgkit.errors import DataError
from cgkit_microscopy.finding import Folders, Found, fingerprint
from cgkit_microscopy.kept_open import keep_open
from cgkit_microscopy.opening import TIFFS, is_tiff, opened
from cgkit_microscopy.planes import Stack, open_stack
from cgkit_microscopy.selection import ChannelsAre, Choice, PagesAre, check_selection, select


@dataclass(frozen=True)
class Plane:
    """Reads one image of a stack."""

    path: Path
    pages_are: PagesAre | None
    position: tuple[int, ...]
    channels: tuple[int, ...]

    def __call__(self) -> bytes:
        """Return an `.npy` file of `(H, W, channels)` values."""
        stack: Stack = keep_open(self.path, self.pages_are, partial(open_stack, pages_are=self.pages_are))
        stream = io.BytesIO()
        np.save(stream, stack.read(self.position, self.channels))
        return stream.getvalue()


class Planes:
    """The images of stacks, in order.

    Args:
        files: the stacks.
        images: the images: the number of the stack, the position and the channels of each.
        choice: how the stacks are read.
    """

    def __init__(
        self, files: Sequence[Found], images: Sequence[tuple[int, tuple[int, ...], tuple[int, ...]]], choice: Choice
    ) -> None:
        self._files, self._images, self._choice = tuple(files), tuple(images), choice

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> ImageRecord:
        number, position, channels = self._images[index]
        file = self._files[number]
        numbers = "-".join(map(str, (*position, *(channel + 1 for channel in channels))))
        plane = Plane(file.path, self._choice.pages_are, position, channels)
        return ImageRecord(f"{file.stem}/{numbers}.npy", encoded=plane)

    def fingerprint(self) -> str:
        """Return a digest of the names and sizes of the stacks, and of how they are read."""
        return fingerprint(self._files, self._choice)


class Stacks:
    """The planes of OME-TIFF and ImageJ stacks. Stacks are held out for testing, never single planes.

    Args:
        a: the folder of domain a's stacks, searched with its subfolders.
        b: the folder of domain b's stacks.
        test_a: the folder of domain a's test stacks; without it, a fraction of the stacks is held out.
        test_b: the folder of domain b's test stacks; required if `test_a` is given.
        held_out: the fraction of the stacks to hold out for testing if there are no test folders; if it is 0, the
            training stacks are also the test stacks. Stacks of the same name in both folders are held out together.
        channels_are: `bands` if the channels are the bands of one image, `planes` if each is an image of its own.
        select: the numbers of the channels to use, from 1, in this order; by default all.
        pages_are: what the pages are in files that do not say so: `planes` or `channels`.
    """

    aligned = False

    def __init__(
        self,
        size: Size,
        *,
        a: Path,
        b: Path,
        test_a: Path | None = None,
        test_b: Path | None = None,
        held_out: Annotated[float, Ge(0), Lt(1)] = 0.1,
        channels_are: ChannelsAre = "planes",
        select: tuple[int, ...] | None = None,
        pages_are: PagesAre = "planes",
    ) -> None:
        folders = Folders(a, b, test_a, test_b)
        check_selection(select)
        self.names = folders.names
        self._choice = Choice(channels_are, select, pages_are)
        split_a, split_b, self.ignored = folders.split(held_out, lambda path: is_tiff(path, TIFFS), "TIFF files")
        self._train = self._planes(split_a[0]), self._planes(split_b[0])
        self._test = self._planes(split_a[1]), self._planes(split_b[1])

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Write two folders of small stacks, and return options that refer to them."""
        for side, level in (("a", 90), ("b", 200)):
            (folder / side).mkdir()
            for number in range(3):
                values = np.random.default_rng([level, number]).integers(0, level, (2, 3, 24, 20)).astype(np.uint8)
                options: dict[str, Any] = {"photometric": "minisblack", "metadata": {"axes": "CZYX"}}
                tifffile.imwrite(folder / side / f"cell-{number}.ome.tif", values, **options)
        return {"a": str(folder / "a"), "b": str(folder / "b"), "held_out": 0.3, "select": [2]}

    def train(self) -> tuple[Planes, Planes]:
        """Return the training images of both domains."""
        return self._train

    def test(self) -> tuple[Planes, Planes]:
        """Return the test images of both domains."""
        return self._test

    def _planes(self, files: Sequence[Found]) -> Planes:
        images: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []
        for number, file in enumerate(files):
            try:
                with opened(file.path) as opened_file:
                    stack = open_stack(opened_file, self._choice.pages_are)
                    channels = select(stack, self._choice)
            except DataError as error:
                raise DataError(f"{file.path}: {error.message}", hint=error.hint) from error
            except Exception as error:  # tifffile does not document what it raises
                raise DataError(f"{file.path}: damaged or truncated: {error}") from error
            groups = [channels] if self._choice.channels_are == "bands" else [(channel,) for channel in channels]
            images += [(number, position, group) for position in stack.positions for group in groups]
        return Planes(files, images, self._choice)
