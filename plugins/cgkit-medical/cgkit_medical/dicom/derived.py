"""Write a translated volume as a new DICOM series in the place of the original."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    generate_uid,
)

from cgkit_medical.dicom.secondary_capture import EMPTY, add_pixels, patient_and_study
from cgkit_medical.volume_files import MADE_BY

Modality = Literal["CT", "MR", "PT"]

CLASSES = {"CT": CTImageStorage, "MR": MRImageStorage, "PT": PositronEmissionTomographyImageStorage}

PLACE = (
    *("FrameOfReferenceUID", "PositionReferenceIndicator", "ImagePositionPatient", "ImageOrientationPatient"),
    *("PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "SliceLocation", "PatientPosition", "InstanceNumber"),
)
"""The tags that say where a slice is, which a translation keeps."""

TECHNICAL = {
    "CT": ("KVP", "AcquisitionNumber"),
    "MR": ("ScanningSequence", "SequenceVariant", "ScanOptions", "MRAcquisitionType", "EchoTime", "RepetitionTime"),
    "PT": ("Units", "DecayCorrection", "CorrectedImage"),
}
"""The tags that must be present in images of a modality."""


@dataclass(frozen=True)
class Derivation:
    """How a series is derived.

    Attributes:
        keep_patient: whether it carries the patient and study tags of its source.
        modality: the modality that it states; None for that of its source.
    """

    keep_patient: bool = False
    modality: Modality | None = None


def write_series(
    slices: Sequence[Dataset],
    files: Sequence[Path],
    derivation: Derivation,
    target: Path,
    values: NDArray[Any],
    padding: float | None,
) -> list[str]:
    """Write each slice of a volume as an instance of one new series, into a file with the name of its source.

    Args:
        slices: the tags of the source's slices, in the order of k.
        files: the files of these slices.
        derivation: how the series is derived.
        target: the folder to write into.
        values: the values, `(i, j, k)`.
        padding: the value that means padding; None if there is none.
    """
    stored, slope, intercept, remarks = _as_stored(values)
    study, series = generate_uid(), generate_uid()
    for index, (source, file) in enumerate(zip(slices, files, strict=True)):
        derived = _derive(source, derivation, study)
        derived.SeriesInstanceUID = series
        add_pixels(derived, stored[..., index].T[..., None])
        derived.RescaleSlope, derived.RescaleIntercept = f"{slope:.10g}", f"{intercept:.10g}"
        derived.RescaleType = "HU" if derived.Modality == "CT" else "US"
        if padding is not None and slope == 1:
            derived.add_new("PixelPaddingValue", "SS" if stored.dtype.kind == "i" else "US", int(padding))
        derived.save_as(target / file.name, enforce_file_format=True)
    if not derivation.keep_patient:
        remarks.append("the tags of the patient and the study are left out; text in the pixels, if any, is not")
    return remarks


def _as_stored(values: NDArray[Any]) -> tuple[NDArray[Any], float, float, list[str]]:
    """Return values as integers of at most 16 bits, with slope and intercept."""
    if values.dtype.name in ("uint8", "uint16", "int16"):
        return values, 1.0, 0.0, []
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    slope = float(f"{(high - low) / 65_535 or 1.0:.10g}")
    low = float(f"{low:.10g}")
    stored = np.rint((np.where(np.isfinite(values), values, low).astype(np.float64) - low) / slope).clip(0, 65_535)
    return stored.astype(np.uint16), slope, low, [f"its values are rounded to steps of {slope:.3g}: DICOM has 16 bits"]


def _derive(source: Dataset, derivation: Derivation, study: str) -> Dataset:
    """Return the tags of a derived image, without its series and its pixels."""
    derived = Dataset()
    for name in EMPTY:
        setattr(derived, name, None)
    derived.StudyInstanceUID = study
    if derivation.keep_patient:
        derived.update(patient_and_study(source))
    own = str(source.get("Modality") or "OT")
    derived.Modality = derivation.modality or own
    for name in (*PLACE, *TECHNICAL.get(derived.Modality, ())):
        if name in source:
            derived[name] = source[name]
    derived.SOPClassUID = source.SOPClassUID if derived.Modality == own else CLASSES[derived.Modality]
    derived.SOPInstanceUID = generate_uid()
    derived.ImageType = ["DERIVED", "SECONDARY"]
    derived.SeriesDescription = "cgkit translation, not for diagnosis"
    derived.DerivationDescription = MADE_BY
    derived.file_meta = FileMetaDataset()
    derived.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return derived
