"""The contract of image formats: what they read of a file, and what they write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from cgkit.contracts.options import Size

Layout = Literal["grey", "colour", "bands"]


@dataclass(frozen=True)
class ImageHeader:
    """The contents of an image's header.

    Attributes:
        width: width in pixels, after applying the EXIF orientation.
        height: height in pixels, after applying the EXIF orientation.
        channels: number of channels, including any alpha channel.
        format: name of the file format, for messages, such as `PNG` or `NPY`.
        depth: type of the values, by its NumPy name: `bool`, `uint8` to `uint64`, `int8` to `int64`, or `float16` to
            `float64`.
        layout: meaning of the channels besides alpha: grey, colour (red, green, blue), or bands of unknown meaning.
        alpha: whether the last channel is an alpha channel.
        nodata: the value of pixels without data, in all channels; None if the file names none. NaN always means that.
        notes: what the file holds besides the image, and is left out: `the first of its 2 pictures is used`.
    """

    width: int
    height: int
    channels: int
    format: str
    depth: str = "uint8"
    layout: Layout = "colour"
    alpha: bool = False
    nodata: float | None = None
    notes: tuple[str, ...] = ()


def nodata_in(depth: str, nodata: float) -> float:
    """Return the value that stands for pixels without data in values of a type: `nodata`, or the lowest integer.

    Readers and writers share this rule, because a translation may have another type than its image.
    """
    if depth.startswith("float"):
        return nodata
    bits = int(depth.lstrip("uint"))
    lowest, highest = (0, 2**bits - 1) if depth.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return nodata if float(nodata).is_integer() and lowest <= nodata <= highest else float(lowest)


@dataclass(frozen=True)
class Reading:
    """What a spec says about files that leave something open.

    Attributes:
        pages: whether the pages of a file are the bands of one image; if not, a file must have a single page.
        array: the name of the array to read from a file that contains several.
        alpha_of: the number of channels of which the last is alpha, in files that do not say what their channels mean;
            None if no channel is.
    """

    pages: bool = False
    array: str | None = None
    alpha_of: int | None = None


@dataclass(frozen=True)
class OpenImage:
    """An image whose header has been read.

    Attributes:
        header: the header.
        decode: decodes the pixels to an upright `(H, W, channels)` array of type `header.depth`.
        carry: returns what else the file says, such as its resolution or its place on Earth, for `write` of the same
            format, or of one with the same `metadata`. It must be valid after the file is closed.
    """

    header: ImageHeader
    decode: Callable[[], NDArray[Any]]
    carry: Callable[[], Any] | None = None


class Statistics(Protocol):
    """Mean and variance at each norm of a generator, over several images."""

    def collecting(self) -> AbstractContextManager[object]:
        """Return a context for one call of `FileModel.translate`, whose images are added to the statistics."""

    def frozen(self) -> AbstractContextManager[object]:
        """Return a context for one call of `FileModel.translate`, in which the norms use these statistics.

        Parts of a volume that are translated apart then fit together.
        """


class FileModel(Protocol):
    """A trained model, as a format sees it that translates whole files.

    Attributes:
        channels: the number of channels of images and of translations.
        depth: the type of the values in which translations are written, by its NumPy name.
        data: the options of the source of the images that the model was trained with.
        samples: the number of parts of a file over which to collect statistics; 0 for none.
    """

    channels: tuple[int, int]
    depth: str
    data: Mapping[str, Any]
    samples: int

    def to_unit(self, values: NDArray[Any], header: ImageHeader) -> Tensor:
        """Return stored values `(H, W, channels)` as an image `(C, H, W)` in [0, 1] with the channels of the domain.

        Raises:
            DataError: they do not fit the domain.
        """

    def to_values(self, translation: Tensor) -> NDArray[Any]:
        """Return a translation `(C, H, W)` in [0, 1] as values to store, `(H, W, C)` of type `depth`."""

    def translate(self, images: Tensor) -> Tensor:
        """Translate images `(N, C, H, W)` in [0, 1], each whole; the result is on the CPU."""

    def translate_windows(
        self,
        read: Callable[[tuple[slice, slice]], Tensor],
        write: Callable[[tuple[slice, slice], Tensor], None],
        size: Size,
        progress: Callable[[float], None],
        weight: Callable[[tuple[slice, slice]], float] | None = None,
    ) -> None:
        """Translate an image of any size in windows, within a bounded amount of memory.

        Up to 64 million pixels, or if `samples` is 0, the result equals that of the whole image. Larger images are
        translated in overlapping windows, whose norms use the statistics of `samples` windows spread over the image.

        Args:
            read: returns a window, given by its rows and columns, as `(C, h, w)` in [0, 1]; windows overlap.
            write: takes a window of the translation, `(C, h, w)` in [0, 1]; these windows are disjoint. Each is within
                the window that was read last, except if the result is that of the whole image.
            size: height and width of the image.
            progress: called with the fraction completed so far, from 0 to 1.
            weight: returns which share of a window has values, from 0 to 1. Statistics are those of the windows with
                the most; where windows have none, larger images may be translated to zeros.

        Raises:
            DataError: the translation would have another size than the image, or each of its pixels depends on too many
                others.
        """

    def statistics(self) -> Statistics:
        """Return empty statistics."""


START_BYTES = 512
"""Number of bytes at the start of a file from which its format is recognised."""


class Format(Protocol):
    """Built as `(*, options)`: reads and writes the image files of one format. It keeps no state between files.

    Before a format sees a file, cgkit checks that it is a regular file of an acceptable length; before `decode` is
    called, that the image has an acceptable size. `open` must therefore not decode the pixels or allocate memory for
    them. If `open` or `decode` raises `DataError`, its message is shown; any other exception means a damaged file.

    Attributes:
        suffixes: the suffixes of files of this format, in lower case with a dot. The first is the usual one. Folders
            are searched for these suffixes, and translations are written with them.

    Optional attributes:
        lossy: true if an image that was written and read again differs slightly, as with JPEG.
        metadata: a word; formats with the same one understand each other's `carry`. `exif` is that of photographs: a
            dictionary of arguments of Pillow's `save`; `georeference` may be another key, for TIFF.
        only_if_chosen: true if the format is used only by specs that name it, because another one reads the same files.

    Optional methods, for volumes, scenes larger than memory, and whatever else is more than one image:
        whole: `(path: Path) -> bool`; whether a file, or a folder of files, is translated as a whole by `translate`.
        written_as: `(path: Path) -> str`; the suffix of what `translate` writes; by default that of the source.
        translate: `(source: Path, target: Path, model: FileModel, progress: Callable[[float], None]) -> Sequence[str]`;
            translate such a file into a new one, or such a folder into a new folder; return a sentence on each thing
            that was lost or changed. `target` is a temporary path, with the suffix of the file to write: cgkit renames
            it at the end. The errors are `DataError`, for this file, and `ValueError` from the generator.
    """

    suffixes: tuple[str, ...]

    def recognises(self, start: bytes) -> bool:
        """Return whether a file is of this format, given its first `START_BYTES` bytes, or all if there are fewer."""

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file. The stream can seek, and stays open until the pixels have been decoded."""

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return whether `write` can store images with that number of channels, including alpha, and type of values."""

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write an image that the format `holds` to an empty stream, which can seek and be read.

        Args:
            stream: the stream to write to.
            values: the image, `(H, W, channels)`.
            alpha: whether the last channel is an alpha channel.
            carry: the `carry` of the image that these values were made from, if it was read from a file of this
                format or of one with the same `metadata`; otherwise None.
        """
