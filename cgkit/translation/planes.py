"""Converting video frames between the planes that a video stores and RGB.

FFmpeg's own conversion is not used, because it loses up to 1.2 levels of the luma, and its chroma in full range.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit.errors import DataError

_LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""The shares of red and blue in the luma, by matrix coefficients (ITU-T H.273)."""

_SUBSAMPLINGS = {(1, 1): "444", (1, 2): "422", (2, 2): "420", (2, 1): "440", (1, 4): "411", (4, 4): "410"}


@dataclass(frozen=True)
class Colours:
    """How the planes of a video represent colours.

    Attributes:
        matrix: the matrix coefficients, a number of ITU-T H.273; 0 for RGB and grey.
        full: whether the values fill the whole range of their bits, such as 0 to 255 and not 16 to 235.
    """

    matrix: int
    full: bool

    @classmethod
    def assumed(cls, frame: Any) -> Colours:
        """Return those that players assume of a frame without tags: BT.709 for high definition, otherwise BT.601."""
        return cls(1 if min(frame.width, frame.height) >= 720 else 6, full=False)

    @classmethod
    def of(cls, frame: Any) -> Colours:
        """Return those of a frame."""
        layout = frame.format
        plain = layout.is_rgb or layout.has_palette or len(layout.components) < 3
        full = frame.color_range == 2 or (frame.color_range != 1 and (plain or layout.name.startswith("yuvj")))
        same = {2: cls.assumed(frame).matrix, 5: 6, 10: 9}
        return cls(0 if plain else same.get(frame.colorspace, frame.colorspace), full)

    @property
    def known(self) -> bool:
        """Whether colours can be converted; if not, they are read and written as BT.601."""
        return self.matrix in (0, *_LUMA)

    @property
    def _luma(self) -> tuple[float, float]:
        return _LUMA.get(self.matrix, _LUMA[6])

    def to_rgb(self, frame: Any) -> NDArray[np.float32]:
        """Return a frame as float32 `(H, W, C)`, 0 for black and 1 for white: grey or RGB, with alpha if it has one."""
        frame = _reformat(frame, planar(frame.format))
        parts = frame.format.components
        planes = [_view(frame, part).astype(np.float32) for part in parts]
        alpha = [planes.pop() / (2 ** parts[-1].bits - 1)] if parts[-1].is_alpha else []
        black, white, centre, chroma = self._levels(parts[0].bits)
        if frame.format.is_rgb or len(planes) == 1:
            colours = [(plane - black) / (white - black) for plane in planes]
        else:
            luma = (planes[0] - black) / (white - black)
            blue, red = (_enlarge(plane - centre, luma.shape) / chroma for plane in planes[1:])
            kr, kb = self._luma
            r, b = luma + 2 * (1 - kr) * red, luma + 2 * (1 - kb) * blue
            colours = [r, (luma - kr * r - kb * b) / (1 - kr - kb), b]
        return np.stack([*colours, *alpha], -1)

    def from_rgb(self, values: NDArray[np.float32], pixel_format: str, alpha: NDArray[np.float32] | None) -> Any:
        """Return `(H, W, C)` values, grey or RGB, as a frame; without alpha, it is opaque."""
        av = import_av()
        frame = av.VideoFrame(values.shape[1], values.shape[0], planar(av.VideoFormat(pixel_format)))
        frame.colorspace, frame.color_range = self.matrix, 2 if self.full else 1
        parts = frame.format.components
        black, white, centre, chroma = self._levels(parts[0].bits)
        r, g, b = (values[..., index % values.shape[-1]] for index in range(3))
        kr, kb = self._luma
        luma = kr * r + (1 - kr - kb) * g + kb * b
        if frame.format.is_rgb:
            planes = [plane * (white - black) + black for plane in (r, g, b)]
        else:
            differences = (b - luma) / (2 * (1 - kb)), (r - luma) / (2 * (1 - kr))
            planes = [luma * (white - black) + black, *(plane * chroma + centre for plane in differences)]
        if parts[-1].is_alpha:
            opaque = np.ones_like(luma) if alpha is None else alpha
            planes = [*planes[: len(parts) - 1], opaque * (2 ** parts[-1].bits - 1)]
        for part, plane in zip(parts, planes, strict=False):
            stored = _view(frame, part)
            stored[:] = np.rint(_reduce(plane, stored.shape)).clip(0, 2**part.bits - 1)
        return _reformat(frame, pixel_format)

    def _levels(self, bits: int) -> tuple[float, float, float, float]:
        """Return the values of black and white, of no chroma, and the extent of the chroma."""
        top, unit = 2**bits - 1, 2.0 ** (bits - 8)
        return (0, top, 128 * unit, top) if self.full else (16 * unit, 235 * unit, 128 * unit, 224 * unit)


def planar(layout: Any) -> str:
    """Return the name of the pixel format that holds the same values with each component in a plane of its own."""
    parts = layout.components
    bits = parts[0].bits
    if 8 <= bits <= 16 and len({part.plane for part in parts}) == len(parts) and not layout.has_palette:
        return str(layout.name)
    depth = "" if bits <= 8 else "16le" if bits > 16 else f"{bits}le"
    alpha = "a" if parts[-1].is_alpha else ""
    if layout.is_rgb or layout.has_palette or len(parts) == 2:
        return f"gbr{alpha}p{depth}"
    if len(parts) == 1:
        return f"gray{depth}"
    subsampling = _SUBSAMPLINGS[64 // layout.chroma_height(64), 64 // layout.chroma_width(64)]
    return f"yuv{alpha}{subsampling}p{depth}"


def import_av() -> Any:
    """Return PyAV, or raise a `DataError` that says how to install it."""
    os.environ.setdefault("SVT_LOG", "1")  # the AV1 encoder would describe itself on stderr
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise DataError("videos need PyAV", hint='pip install "cgkit[video]"') from error


def _reformat(frame: Any, pixel_format: str) -> Any:
    """Store the values of a frame in another layout.

    Several threads of FFmpeg now and then leave out rows: those of one in 1,200 small frames of p010 (PyAV 18.1).
    """
    return frame.reformat(format=pixel_format, threads=1)


def _view(frame: Any, part: Any) -> NDArray[Any]:
    plane = frame.planes[part.plane]
    depth = "u1" if part.bits <= 8 else ">u2" if frame.format.is_big_endian else "<u2"
    values: NDArray[Any] = np.frombuffer(plane, depth).reshape(plane.height, -1)
    return values[:, : plane.width]


def _enlarge(plane: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Repeat the values of subsampled chroma, which `_reduce` undoes without loss."""
    for axis in (0, 1):
        plane = plane.repeat(-(-shape[axis] // plane.shape[axis]), axis)
    return plane[: shape[0], : shape[1]]


def _reduce(plane: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the means of blocks of values."""
    if plane.shape == shape:
        return plane
    rows, columns = (-(-plane.shape[axis] // shape[axis]) for axis in (0, 1))
    missing = [(0, shape[0] * rows - plane.shape[0]), (0, shape[1] * columns - plane.shape[1])]
    padded = np.pad(plane, missing, mode="edge")
    return np.asarray(padded.reshape(shape[0], rows, shape[1], columns).mean((1, 3)))
