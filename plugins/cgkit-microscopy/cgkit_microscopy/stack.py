"""The format `stack`: OME-TIFF and ImageJ stacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from cgkit.contracts import FileModel, OpenImage, Reading
from cgkit.errors import DataError
from cgkit_microscopy.opening import TIFFS, is_map, is_slide, is_tiff, main_series, opened
from cgkit_microscopy.planes import kind_of, open_stack
from cgkit_microscopy.selection import ChannelsAre, Choice, PagesAre, check_selection
from cgkit_microscopy.translating import translate_stack


class Stack:
    """OME-TIFF and ImageJ files of several planes; a translation has the same axes and pixel sizes.

    Args:
        channels_are: `bands` if the channels are the bands of one image, `planes` if each is an image of its own; by
            default, bands if the model's images have that many bands, and planes if they have one.
        select: the numbers of the channels to translate, from 1, in this order; by default all.
        pages_are: what the pages are in files that do not say so, `planes` or `channels`; by default such files are
            read by other formats.
        keep_names: whether a translation keeps metadata that may name a person: experimenters, descriptions, projects
            and annotations.
    """

    suffixes = (".ome.tif", ".ome.tiff", ".btf", ".tf2", ".tf8")

    def __init__(
        self,
        *,
        channels_are: ChannelsAre | None = None,
        select: tuple[int, ...] | None = None,
        pages_are: PagesAre | None = None,
        keep_names: bool = False,
    ) -> None:
        check_selection(select)
        self._choice = Choice(channels_are, select, pages_are, keep_names)

    def recognises(self, start: bytes) -> bool:
        """Return false: a stack is translated as a whole, and never read as an image."""
        return False

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Raise an error: a stack is no image."""
        raise DataError("is a stack, not an image")

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return false: images are written as TIFF."""
        return False

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Raise an exception: the format holds nothing."""
        raise NotImplementedError

    def whole(self, path: Path) -> bool:
        """Return whether a file is a stack: of several planes, and no whole slide."""
        if not is_tiff(path, TIFFS):
            return False
        try:
            with opened(path) as file:
                if kind_of(file) == "plain" and (self._choice.pages_are is None or is_map(file)):
                    return False
                series = main_series(file)
                planes = [length for axis, length in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]
                return any(length > 1 for length in planes) and not is_slide(file)
        except OSError:
            raise
        except Exception:  # noqa: BLE001 - tifffile does not document what it raises; reading the file says why
            return False

    def translate(
        self, source: Path, target: Path, model: FileModel, progress: Callable[[float], None]
    ) -> Sequence[str]:
        """Translate a stack plane by plane; see `cgkit_microscopy.translating`."""
        if target.suffix.lower() not in TIFFS:
            raise DataError("is translated into a TIFF", hint="give --output a folder, or a file that ends in .tif")
        with opened(source) as file:
            choice = self._choice.or_as_trained(model.data)
            return translate_stack(open_stack(file, choice.pages_are), target, model, progress, choice)
