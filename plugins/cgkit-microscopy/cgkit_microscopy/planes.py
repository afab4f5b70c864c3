"""The planes of a stack, read one at a time."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffFile

from cgkit.contracts import ImageHeader, Layout
from cgkit.errors import DataError
from cgkit_microscopy.ome import channel_names
from cgkit_microscopy.opening import check_one_file, check_page, is_associated, truncated
from cgkit_microscopy.selection import PagesAre

Kind = Literal["ome", "imagej", "plain"]

_WHITE_IS_ZERO, _PALETTE = 0, 3
_ALPHAS = (1, 2)


@dataclass(frozen=True)
class Stack:
    """A stack whose header has been read.

    Attributes:
        file: the open file.
        kind: which program's metadata the file has.
        axes: the axes besides channels, rows and columns, such as `TZ`.
        shape: their lengths.
        channels: the number of channels of which each is a plane of its own.
        names: what these are called, as far as the file says so.
        samples: the number of samples of a pixel of a plane: 3 for red, green and blue.
        height: the number of rows.
        width: the number of columns.
        depth: the type of the values, by its NumPy name.
        alpha: whether the last sample is an alpha channel.
        reduced: the number of smaller copies of each plane.
        number: the number of the stack among the images of the file.
    """

    file: TiffFile
    kind: Kind
    axes: str
    shape: tuple[int, ...]
    channels: int
    names: tuple[str, ...]
    samples: int
    height: int
    width: int
    depth: str
    alpha: bool
    reduced: int
    number: int
    _series: Any
    _order: str

    @property
    def positions(self) -> list[tuple[int, ...]]:
        """The indices along `axes` of all images, in order."""
        return list(itertools.product(*(range(length) for length in self.shape)))

    def header(self, bands: int) -> ImageHeader:
        """Return the header of an image of some of the channels."""
        channels = bands * self.samples
        layout: Layout = "bands"
        if bands == 1 and self.samples - self.alpha in (1, 3):
            layout = "grey" if self.samples - self.alpha == 1 else "colour"
        return ImageHeader(self.width, self.height, channels, "stack", self.depth, layout, self.alpha and bands == 1)

    def read(self, position: tuple[int, ...], channels: tuple[int, ...]) -> NDArray[Any]:
        """Read an image.

        Args:
            position: the indices along `axes`.
            channels: the channels to read, from 0.

        Returns:
            the values, `(height, width, len(channels) * samples)`.

        Raises:
            DataError: it cannot be read.
        """
        return np.concatenate([self._read_plane(position, channel) for channel in channels], axis=-1)

    def _read_plane(self, position: tuple[int, ...], channel: int) -> NDArray[Any]:
        indices = [channel if axis == "C" else position[self.axes.index(axis)] for axis in self._order]
        lengths = [self.channels if axis == "C" else self.shape[self.axes.index(axis)] for axis in self._order]
        number = int(np.ravel_multi_index(indices, lengths)) if indices else 0
        if len(self._series.pages) == 1 and self._series.dataoffset is not None:
            return self._read_contiguous(number)
        page_number, part = divmod(number, math.prod(lengths) // len(self._series.pages))
        page = self._series.pages[page_number]
        check_page(page, self.file.filehandle.size)
        return self._as_image(page.asarray(maxworkers=1), part, page.keyframe)

    def _read_contiguous(self, number: int) -> NDArray[Any]:
        """Read a plane of a file that describes only its first page; all others follow it."""
        page = self._series.keyframe
        dtype = np.dtype(page.dtype).newbyteorder(self.file.byteorder)
        count = self.height * self.width * self.samples
        start = self._series.dataoffset + number * count * dtype.itemsize
        handle = self.file.filehandle
        if start + count * dtype.itemsize > handle.size:
            raise truncated()
        handle.seek(start)
        values = np.frombuffer(handle.read(count * dtype.itemsize), dtype).astype(dtype.newbyteorder("="))
        return self._as_image(values.reshape(self.height, self.width, self.samples), 0, page)

    def _as_image(self, values: NDArray[Any], part: int, page: Any) -> NDArray[Any]:
        if page.axes == "SYX" and values.ndim == 3 and values.shape[-2:] == (self.height, self.width):
            values = values.transpose(1, 2, 0) if self.samples > 1 else values[part]
        values = values.reshape(self.height, self.width, -1)
        if int(page.photometric) == _WHITE_IS_ZERO and values.dtype.kind in "bu":
            values = ~values
        return values.astype(values.dtype.newbyteorder("="), copy=False)


def kind_of(file: TiffFile) -> Kind:
    """Return which program's metadata a file has."""
    return "ome" if file.is_ome else "imagej" if file.is_imagej else "plain"


def open_stack(file: TiffFile, pages_are: PagesAre | None = None) -> Stack:
    """Read the header of a stack.

    Args:
        file: the open file.
        pages_are: what the pages are in a file that does not say so.

    Raises:
        DataError: it holds several images, or cannot be read.
    """
    kind = kind_of(file)
    series = _only_series(file)
    check_one_file(file, series)
    page = series.keyframe
    check_page(page, file.filehandle.size)
    if int(page.photometric) == _PALETTE and kind != "imagej":  # of ImageJ, it is for display
        raise DataError("has a palette", hint="save it as grey or as RGB")
    lengths = dict(zip(series.axes, series.shape, strict=True))
    order = "".join(axis for axis in series.axes if axis not in "YXS")
    if kind == "plain" and pages_are == "channels" and "C" not in order and len(order) == 1:
        lengths["C"] = lengths.pop(order)
        order = "C"
    axes = order.replace("C", "")
    if kind == "ome" and set(axes) - set("TZ"):
        raise DataError(f"has axes {series.axes}, of which only T, Z and C are known", hint="split it along the others")
    samples = lengths.get("S", 1)
    alpha = samples in (2, 4) and any(int(extra) in _ALPHAS for extra in page.extrasamples)
    return Stack(
        file=file,
        kind=kind,
        axes=axes,
        shape=tuple(lengths[axis] for axis in axes),
        channels=lengths.get("C", 1),
        names=_names_of(file, kind, file.series.index(series)),
        samples=samples,
        height=lengths["Y"],
        width=lengths["X"],
        depth=np.dtype(page.dtype).name,
        alpha=alpha,
        reduced=len(series.levels) - 1,
        number=file.series.index(series),
        _series=series,
        _order=order,
    )


def _only_series(file: TiffFile) -> Any:
    series = [each for each in file.series if not is_associated(each)] or list(file.series)
    if len(series) != 1:
        sizes = ", ".join("x".join(map(str, each.shape)) for each in series[:4])
        raise DataError(
            f"holds {len(series)} images ({sizes})", hint="save each in a file of its own: bfconvert -series 0"
        )
    return series[0]


def _names_of(file: TiffFile, kind: Kind, number: int) -> tuple[str, ...]:
    """Return the names of the channels, for messages."""
    return channel_names(file.ome_metadata or "", number) if kind == "ome" else ()
