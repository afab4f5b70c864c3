"""The format `slide`: whole slides."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray

from cgkit.contracts import FileModel, OpenImage, Reading
from cgkit.errors import DataError
from cgkit_microscopy.levels import Wanted
from cgkit_microscopy.opening import SLIDES, TIFFS, is_slide, is_tiff, opened
from cgkit_microscopy.selection import check_selection
from cgkit_microscopy.slide_translating import translate_slide


class Slide:
    """Whole slides: SVS, NDPI, SCN and BIF, and pyramids in TIFF and OME-TIFF; a translation is a pyramid in OME-TIFF.

    Args:
        level: the level to translate, from 0 for the largest; by default that of the training, or 0.
        mpp: the micrometres per pixel to translate at, in place of `level`: the nearest level is taken.
        region: left, top, width and height of the part to translate, in pixels of level 0; by default everything.
        select: the numbers of the channels to translate, from 1, in slides of fluorescence; by default all.
        quality: the quality of JPEG in a translation; by default it is compressed without loss.
    """

    suffixes = SLIDES

    def __init__(
        self,
        *,
        level: Annotated[int, Ge(0)] | None = None,
        mpp: Annotated[float, Gt(0)] | None = None,
        region: tuple[int, int, int, int] | None = None,
        select: tuple[int, ...] | None = None,
        quality: Annotated[int, Ge(1), Le(100)] | None = None,
    ) -> None:
        if level is not None and mpp is not None:
            raise ValueError("level and mpp both choose a level: give one of them")
        check_selection(select)
        self._wanted = Wanted(level, mpp, region, select)
        self._quality = quality

    def recognises(self, start: bytes) -> bool:
        """Return false: a slide is translated as a whole, and never read as an image."""
        return False

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Raise an error: a slide is no image."""
        raise DataError("is a whole slide, not an image")

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return false: images are written as TIFF."""
        return False

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Raise an exception: the format holds nothing."""
        raise NotImplementedError

    def whole(self, path: Path) -> bool:
        """Return whether a file is a slide."""
        if is_tiff(path, SLIDES):
            return True
        if not is_tiff(path, TIFFS):
            return False
        try:
            with opened(path) as file:
                return is_slide(file)
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - tifffile does not document what it raises; reading the file says why
            return False

    def written_as(self, path: Path) -> str:
        """Return the suffix of a translation: its own if that is a TIFF's."""
        return path.suffix if path.suffix.lower() in TIFFS else ".ome.tif"

    def translate(
        self, source: Path, target: Path, model: FileModel, progress: Callable[[float], None]
    ) -> Sequence[str]:
        """Translate a slide from disk to disk; see `cgkit_microscopy.slide_translating`."""
        if target.suffix.lower() not in TIFFS:
            raise DataError(
                "is translated into an OME-TIFF", hint="give --output a folder, or a file that ends in .tif"
            )
        with opened(source) as file:
            wanted = self._wanted.or_as_trained(model.data)
            return translate_slide(file, target, model, progress, wanted, self._quality)
