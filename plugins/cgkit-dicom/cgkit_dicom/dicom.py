"""The image format DICOM."""

from __future__ import annotations

from functools import partial
from typing import Any, BinaryIO

from numpy.typing import NDArray

from cgkit.contracts import ImageHeader, Layout, OpenImage, Reading
from cgkit_dicom.attributes import read_attributes
from cgkit_dicom.pixels import Stored
from cgkit_dicom.secondary_capture import patient_and_study, write_secondary_capture

DEPTHS = {1: ("uint8", "uint16", "int16"), 3: ("uint8",)}
"""The types of values that a secondary capture can store, by the number of channels."""


class Dicom:
    """DICOM files with a single frame in grey or RGB.

    Args:
        keep_patient: whether a translation carries the patient and study tags of its source image.
    """

    suffixes = (".dcm", ".dicom")

    def __init__(self, *, keep_patient: bool = False) -> None:
        self.keep_patient = keep_patient

    def recognises(self, start: bytes) -> bool:
        """Return whether a file has the prefix of DICOM files, which follows a preamble of 128 bytes."""
        return start[128:132] == b"DICM"

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read all tags up to the pixels.

        Raises:
            DataError: The file is compressed in a way that cannot be decoded here, or its image is of an unsupported
                kind.
            ValueError: A tag is missing.
        """
        attributes = read_attributes(stream)
        stored = Stored.of(attributes)
        layout: Layout = "grey" if stored.channels == 1 else "colour"
        size = int(attributes.Columns), int(attributes.Rows)
        header = ImageHeader(*size, stored.channels, "DICOM", stored.depth, layout)
        return OpenImage(header, partial(stored.read, stream), partial(self._carry, attributes))

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return whether an image is grey with 8 or 16 bits, or RGB with 8 bits, without transparency."""
        return not alpha and depth in DEPTHS.get(channels, ())

    def write(self, stream: BinaryIO, values: NDArray[Any], *, alpha: bool, carry: Any) -> None:
        """Write a secondary capture, uncompressed."""
        write_secondary_capture(stream, values, carry)

    def _carry(self, attributes: Any) -> Any:
        return patient_and_study(attributes) if self.keep_patient else None
