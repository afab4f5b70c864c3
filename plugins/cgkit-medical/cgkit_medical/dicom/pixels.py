"""The pixels of a DICOM file: from stored values to those that the modality measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array

from cgkit_medical.rescaling import rescale, rescaled_depth


@dataclass(frozen=True)
class Stored:
    """How the pixels of a file are stored.

    Attributes:
        channels: 1 or 3.
        lowest: the lowest value that can be stored.
        highest: the highest value that can be stored.
        own_depth: the type in which values are stored.
        slope: the factor of stored values.
        intercept: the value of a stored zero.
        inverted: whether the lowest value is white.
    """

    channels: int
    lowest: int
    highest: int
    own_depth: str
    slope: float
    intercept: float
    inverted: bool

    @classmethod
    def of(cls, attributes: Dataset) -> Stored:
        """Return how the pixels of a file with these tags are stored."""
        bits, signed = int(attributes.BitsStored), bool(attributes.get("PixelRepresentation"))
        lowest, highest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        slope, intercept = attributes.get("RescaleSlope"), attributes.get("RescaleIntercept")
        return cls(
            channels=int(attributes.SamplesPerPixel),
            lowest=lowest,
            highest=highest,
            own_depth=f"{'int' if signed else 'uint'}{attributes.BitsAllocated}",
            slope=1.0 if slope is None else float(slope),
            intercept=0.0 if intercept is None else float(intercept),
            inverted=attributes.PhotometricInterpretation == "MONOCHROME1",
        )

    @property
    def depth(self) -> str:
        """The type of the values that `read` returns: integers as long as rescaling gives integers, else float32."""
        if self.channels > 1:
            return self.own_depth
        return rescaled_depth(self.own_depth, (self.lowest, self.highest), self.slope, self.intercept)

    def read(self, stream: BinaryIO) -> NDArray[Any]:
        """Decode the pixels: `(H, W, channels)` of type `depth`, with high values bright."""
        stream.seek(0)
        values = pixel_array(stream).clip(self.lowest, self.highest)
        values = values.reshape(*values.shape[:2], self.channels).astype(self.own_depth, copy=False)
        return self.convert(values)

    def convert(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return stored values as the modality measured them, of type `depth`, with high values bright."""
        if self.inverted:
            values = (self.lowest + self.highest - values.astype(np.int64)).astype(self.own_depth)
        return values if self.channels > 1 else rescale(values, self.depth, self.slope, self.intercept)
