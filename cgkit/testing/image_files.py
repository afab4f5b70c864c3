"""Small image files that a format under test writes, and how they are read again."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit.contracts import Format, OpenImage, Reading
from cgkit.files.limits import check_size
from cgkit.testing.check import NotApplicableError

HEIGHT, WIDTH = 9, 14
CHANNELS = (1, 2, 3, 4, 5)
DEPTHS = ("uint8", "uint16", "uint32", "int16", "int32", "float32")
"""The types in which cgkit writes translations."""


@dataclass(frozen=True)
class Sample:
    """An image that a format can store.

    Attributes:
        values: the pixels, `(H, W, channels)`.
        alpha: whether the last channel is an alpha channel.
    """

    values: NDArray[Any]
    alpha: bool

    def __str__(self) -> str:
        return f"{self.values.shape[-1]} channels of {self.values.dtype}{' with alpha' if self.alpha else ''}"

    @property
    def reading(self) -> Reading:
        """How a spec would describe the image."""
        return Reading(alpha_of=self.values.shape[-1] if self.alpha else None)


def samples_of(file_format: Format) -> list[Sample]:
    """Return noise of every kind that a format can store.

    Raises:
        NotApplicableError: the format cannot write any image.
    """
    samples = [sample for sample in _every_sample() if _holds(file_format, sample)]
    if not samples:
        raise NotApplicableError
    return samples


def written(file_format: Format, sample: Sample, carry: Any = None) -> bytes:
    """Return the content of the file that a format writes."""
    stream = io.BytesIO()
    file_format.write(stream, sample.values, alpha=sample.alpha, carry=carry)
    return stream.getvalue()


def opened(file_format: Format, content: bytes, reading: Reading) -> OpenImage:
    """Open a file as cgkit does: read its header and check the size of its image."""
    image = file_format.open(io.BytesIO(content), reading)
    check_size(image.header.width, image.header.height, image.header.channels)
    return image


def _every_sample() -> Iterator[Sample]:
    random = np.random.default_rng(0)
    for depth in DEPTHS:
        for channels in CHANNELS:
            shape = (HEIGHT, WIDTH, channels)
            values = random.uniform(-1000, 3000, shape) if depth == "float32" else random.bytes(8 * int(np.prod(shape)))
            if isinstance(values, bytes):
                values = np.frombuffer(values, depth)[: np.prod(shape)].reshape(shape)
            for alpha in (False, True) if channels in (2, 4) else (False,):
                yield Sample(values.astype(depth), alpha)


def _holds(file_format: Format, sample: Sample) -> bool:
    return file_format.holds(sample.values.shape[-1], sample.values.dtype.name, sample.alpha)
