"""The format DICOM: images in single files, and volumes in folders."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from cgkit.contracts import FileModel, ImageHeader, Layout, OpenImage, Reading
from cgkit_medical.damage import damage_explained
from cgkit_medical.dicom.attributes import read_attributes
from cgkit_medical.dicom.derived import Derivation, Modality
from cgkit_medical.dicom.pixels import Stored
from cgkit_medical.dicom.secondary_capture import patient_and_study, write_secondary_capture
from cgkit_medical.dicom.series import is_series, open_series
from cgkit_medical.translating import translate_volume

DEPTHS = {1: ("uint8", "uint16", "int16"), 3: ("uint8",)}
"""The types of values that a secondary capture can store, by the number of channels."""


class Dicom:
    """DICOM files with a single frame in grey or RGB, and folders with the slices of one series.

    Args:
        keep_patient: whether a translation carries the patient and study tags of its source.
        modality: the modality that a translated series states, such as CT for an MR translated to CT; by default that
            of its source.
    """

    suffixes = (".dcm", ".dicom")

    def __init__(self, *, keep_patient: bool = False, modality: Modality | None = None) -> None:
        self.keep_patient = keep_patient
        self.modality = modality

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

    def whole(self, path: Path) -> bool:
        """Return whether a path is a folder with at least two slices of a series that say where they are."""
        return path.is_dir() and is_series(path)

    def translate(
        self, source: Path, target: Path, model: FileModel, progress: Callable[[float], None]
    ) -> Sequence[str]:
        """Translate the series in a folder into a folder with one new series."""
        with damage_explained():
            volume = open_series(source, Derivation(self.keep_patient, self.modality))
        return translate_volume(volume, target, model, progress, default_axis="k")

    def _carry(self, attributes: Any) -> Any:
        return patient_and_study(attributes) if self.keep_patient else None
