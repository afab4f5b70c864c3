"""The source `slides`: windows of whole slides that show tissue."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tifffile
from annotated_types import Ge, Gt, Le, Lt
from numpy.typing import NDArray
from tifffile import TiffFile

from cgkit.contracts import ImageRecord, Size
from cgkit.errors import DataError
from cgkit_microscopy.finding import Folders, Found, fingerprint
from cgkit_microscopy.kept_open import keep_open
from cgkit_microscopy.levels import FAR, Part, Wanted, find_part
from cgkit_microscopy.opening import SLIDES, TIFFS, is_tiff, main_series, opened
from cgkit_microscopy.selection import check_selection
from cgkit_microscopy.tissue import tissue_in

OVERVIEW = 2_000_000
"""The most pixels of a level on which tissue is looked for, if there is such a level."""

CACHE_BYTES = 16_000_000
"""Memory for the decoded tiles of each open slide."""


@dataclass(frozen=True)
class Window:
    """Reads one window of a slide."""

    path: Path
    wanted: Wanted
    top: int
    left: int
    side: int

    def __call__(self) -> bytes:
        """Return an `.npy` file of `(side, side, channels)` values."""
        part: Part = keep_open(self.path, self.wanted, partial(find_part, wanted=self.wanted, cache=CACHE_BYTES))
        stream = io.BytesIO()
        rows, columns = slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)
        np.save(stream, part.read(rows, columns))
        return stream.getvalue()


class Windows:
    """The windows of slides that show tissue.

    Args:
        files: the slides.
        places: for each slide, the first rows and columns of its windows.
        wanted: which level is read.
        side: the side of a window.
        tissue: the least share of tissue.
    """

    def __init__(
        self,
        files: Sequence[Found],
        places: Sequence[Sequence[tuple[int, int]]],
        wanted: Wanted,
        side: int,
        tissue: float,
    ) -> None:
        self._files = tuple(files)
        self._places = [(number, *place) for number, each in enumerate(places) for place in each]
        self._wanted, self._side, self._tissue = wanted, side, tissue

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> ImageRecord:
        number, top, left = self._places[index]
        file = self._files[number]
        window = Window(file.path, self._wanted, top, left, self._side)
        return ImageRecord(f"{file.stem}/{left}-{top}.npy", encoded=window)

    def fingerprint(self) -> str:
        """Return a digest of the names and sizes of the slides, and of how they are cut."""
        return fingerprint(self._files, self._wanted, self._side, self._tissue)


class Slides:
    """Windows of whole slides, at one size of pixels. Slides are held out for testing, never single windows.

    Args:
        a: the folder of domain a's slides, searched with its subfolders.
        b: the folder of domain b's slides.
        test_a: the folder of domain a's test slides; without it, a fraction of the slides is held out.
        test_b: the folder of domain b's test slides; required if `test_a` is given.
        held_out: the fraction of the slides to hold out for testing if there are no test folders; if it is 0, the
            training slides are also the test slides. Slides of the same name in both folders are held out together.
        level: the level to read, from 0 for the largest.
        mpp: the micrometres per pixel to read at, in place of `level`: each slide must have a level near it.
        select: the numbers of the channels to read, from 1, in slides of fluorescence; by default all.
        window: the side of a window in pixels of that level; by default the longer side of training images.
        tissue: windows with a smaller share of tissue are left out.
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
        level: Annotated[int, Ge(0)] | None = None,
        mpp: Annotated[float, Gt(0)] | None = None,
        select: tuple[int, ...] | None = None,
        window: Annotated[int, Ge(1)] | None = None,
        tissue: Annotated[float, Ge(0), Le(1)] = 0.3,
    ) -> None:
        folders = Folders(a, b, test_a, test_b)
        if level is not None and mpp is not None:
            raise ValueError("level and mpp both choose a level: give one of them")
        self.names = folders.names
        check_selection(select)
        self._wanted = Wanted(level, mpp, select=select)
        self._side, self._tissue = window or max(size), tissue
        self._pixels: list[tuple[float, Path]] = []
        split_a, split_b, self.ignored = folders.split(
            held_out, lambda path: is_tiff(path, (*SLIDES, *TIFFS)), "slides"
        )
        self._train = self._windows(split_a[0]), self._windows(split_b[0])
        self._test = self._windows(split_a[1]), self._windows(split_b[1])
        self._check_pixels()

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Write two folders of small slides, and return options that refer to them."""
        for side, colour in (("a", (200, 90, 150)), ("b", (90, 60, 170))):
            (folder / side).mkdir()
            for number in range(3):
                image = np.full((64, 64 + 16 * number, 3), 240, np.uint8)
                image[:48, :48] = np.random.default_rng(number).integers(-20, 20, (48, 48, 3)) + np.array(colour)
                tiles: dict[str, Any] = {"tile": (32, 32), "photometric": "rgb", "metadata": None}
                with tifffile.TiffWriter(folder / side / f"slide-{number}.tif") as writer:
                    writer.write(image, **tiles)
                    writer.write(np.ascontiguousarray(image[::2, ::2]), subfiletype=1, **tiles)
        return {"a": str(folder / "a"), "b": str(folder / "b"), "held_out": 0.3, "window": 16}

    def train(self) -> tuple[Windows, Windows]:
        """Return the training windows of both domains."""
        return self._train

    def test(self) -> tuple[Windows, Windows]:
        """Return the test windows of both domains."""
        return self._test

    def _windows(self, files: Sequence[Found]) -> Windows:
        places = [self._places(file.path) for file in files]
        if not any(places):
            raise DataError(
                f"{files[0].path.parent}: no window of {self._side} pixels shows {self._tissue:.0%} of tissue",
                hint="set a smaller window, a smaller share of tissue, or a larger level",
            )
        return Windows(files, places, self._wanted, self._side, self._tissue)

    def _places(self, path: Path) -> list[tuple[int, int]]:
        """Return the first rows and columns of the windows of a slide that show tissue."""
        try:
            with opened(path) as file:
                part = find_part(file, self._wanted)
                mask = _overview(file) if self._tissue else np.ones((1, 1), bool)
        except DataError as error:
            raise DataError(f"{path}: {error.message}", hint=error.hint) from error
        if part.remarks:  # of a level far from `mpp`: objects would have another size
            raise DataError(f"{path}: {part.remarks[0]}", hint="leave it out, or set another mpp")
        if part.pixel is not None:
            self._pixels.append((part.pixel[0], path))
        side = self._side
        corners = [
            (top, left)
            for top in range(0, part.height - side + 1, side)
            for left in range(0, part.width - side + 1, side)
        ]
        return [corner for corner in corners if _share(mask, corner, side, part) >= self._tissue]

    def _check_pixels(self) -> None:
        """Refuse slides whose pixels differ much in size: a model knows shapes at one scale."""
        if not self._pixels:
            return
        (low, first), (high, last) = min(self._pixels), max(self._pixels)
        if high > FAR * low:
            raise DataError(
                f"a pixel is {low:.3g} micrometres wide in {first}, but {high:.3g} in {last}",
                hint="set mpp in place of level, so that a level of each slide is chosen by the size of its pixels",
            )


def _overview(file: TiffFile) -> NDArray[np.bool_]:
    """Return where a level of few pixels shows tissue."""
    levels = main_series(file).levels
    sizes = [int(level.keyframe.imagewidth) * int(level.keyframe.imagelength) for level in levels]
    number = next((index for index, size in enumerate(sizes) if size <= OVERVIEW), len(levels) - 1)
    part = find_part(file, Wanted(level=number))
    step = max(1, round((part.height * part.width / OVERVIEW) ** 0.5))
    rows = [
        tissue_in(part.read(slice(top, min(top + 512, part.height)), slice(0, part.width))[::step, ::step])
        for top in range(0, part.height, 512)
    ]
    return np.concatenate(rows)


def _share(mask: NDArray[np.bool_], corner: tuple[int, int], side: int, part: Part) -> float:
    """Return the share of tissue in a window."""
    y, x = mask.shape[0] / part.height, mask.shape[1] / part.width
    top, left = int(corner[0] * y), int(corner[1] * x)
    bottom, right = max(top + 1, round((corner[0] + side) * y)), max(left + 1, round((corner[1] + side) * x))
    return float(mask[top:bottom, left:right].mean())
