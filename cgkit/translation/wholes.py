"""Translating files that are more than an image, such as volumes, with the format that knows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from cgkit.contracts import ImageHeader, Size
from cgkit.errors import CgkitError, DataError, ResourceError
from cgkit.files.atomic import replacing, replacing_folder
from cgkit.images.formats import NamedFormat
from cgkit.images.pixels import to_unit, to_values
from cgkit.tiling.norm_statistics import Statistics
from cgkit.tiling.sampled_windows import SampledWindows, check_size
from cgkit.tiling.windows import Progress, Window
from cgkit.translation.translator import Translator

AT_ONCE = 1_000_000
"""The most pixels of an image that is translated whole, in place of windows."""

EXACT = 64_000_000
"""The most pixels of an image that is by default translated exactly, with features of all its pixels on disk."""


class Model:
    """A translator, as formats see it; see `cgkit.contracts.FileModel`."""

    def __init__(self, translator: Translator, samples: int) -> None:
        self._translator = translator
        self.channels = (translator.in_channels, translator.out_channels)
        self.depth = translator.target.depth
        self.data: dict[str, Any] = translator.spec.data.options
        self.samples = samples

    def to_unit(self, values: NDArray[Any], header: ImageHeader) -> Tensor:
        """Return stored values as an image in [0, 1]."""
        return to_unit(values, header, self._translator.source)[0]

    def to_values(self, translation: Tensor) -> NDArray[Any]:
        """Return a translation in [0, 1] as values to store."""
        return to_values(translation, self._translator.target)

    def translate(self, images: Tensor) -> Tensor:
        """Translate a batch, each image whole."""
        return self._translator.translate_whole(images)

    def translate_windows(
        self,
        read: Callable[[tuple[slice, slice]], Tensor],
        write: Callable[[tuple[slice, slice], Tensor], None],
        size: Size,
        progress: Progress,
        weight: Callable[[tuple[slice, slice]], float] | None = None,
    ) -> None:
        """Translate an image of any size in windows: exactly, or with the statistics of some of its windows.

        Raises:
            DataError: images are to be translated at another scale or size than their own, or not in windows.
        """

        def write_window(window: Window, translation: Tensor) -> None:
            check_size(translation, (window.height, window.width))
            write(window.slices, translation)

        def read_window(window: Window) -> Tensor:
            return read(window.slices)

        height, width = size
        if height * width <= AT_ONCE:
            everything = Window(0, height, 0, width)
            write_window(everything, self.translate(read_window(everything)[None])[0])
        elif height * width <= EXACT or self.samples == 0:
            self._translate_exactly(read_window, write_window, size, progress)
        else:
            windows = SampledWindows(
                self.translate, read_window, size, lambda window: 1.0 if weight is None else weight(window.slices)
            )
            windows.translate(write_window, self.samples, progress)

    def _translate_exactly(
        self,
        read: Callable[[Window], Tensor],
        write: Callable[[Window, Tensor], None],
        size: Size,
        progress: Progress,
    ) -> None:
        self._translator.mention(*size)
        if self._translator.scaling.changes(*size):
            hint = "leave out --scale and --max-side; or scale the file first"
            raise DataError("is translated in windows, only at its own scale", hint=hint)
        self._translator.large.translate_windows(
            lambda window: read(window)[None],
            lambda window, translation: write(window, translation[0].float().cpu()),
            size,
            progress,
        )

    def statistics(self) -> Statistics:
        """Return empty statistics."""
        return Statistics()


def translate_whole_file(
    translator: Translator, named: NamedFormat, source: Path, target: Path, samples: int, progress: Progress
) -> list[str]:
    """Translate a file, or a folder of files, with its format; replace the target only if that succeeds.

    Returns:
        a sentence on each thing that was lost or changed.

    Raises:
        DataError: the format cannot translate it.
        ResourceError: the target cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    new = replacing_folder(target) if source.is_dir() else replacing(target, "".join(target.suffixes[-2:]))
    try:
        with new as temporary:
            translate = named.format.translate  # type: ignore[attr-defined]  # optional
            remarks = translate(source, temporary, Model(translator, samples), progress)
    except ValueError as error:  # the generator does not accept images of this size
        raise DataError(f"{source}: {error}") from error
    except DataError as error:
        raise DataError(f"{source}: {error.message}", hint=error.hint) from error
    except OSError as error:
        raise ResourceError(f"{target} cannot be written: {error.strerror or error}") from error
    except (CgkitError, MemoryError):
        raise
    except Exception as error:
        reason = f"damaged, or not as {named.title} expects: {type(error).__name__}: {error}"
        raise DataError(f"{source}: {reason}") from error
    return list(map(str, remarks))
