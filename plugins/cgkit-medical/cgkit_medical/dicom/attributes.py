"""Read the tags of a DICOM file, and refuse images that this package does not support."""

from __future__ import annotations

from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.filereader import read_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.tag import BaseTag
from pydicom.uid import UID

from cgkit.errors import DataError

PREFIX = 132
"""Bytes of the preamble and the prefix, before the first tag."""

NEEDED = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
"""Photometric interpretations of three samples, all of which pydicom converts to RGB."""


def read_attributes(stream: BinaryIO) -> FileDataset:
    """Return the tags of a file up to the pixels.

    Raises:
        DataError: the image is of an unsupported kind.
        ValueError: a tag that every image needs is missing.
    """
    _check_transfer_syntax(_read_transfer_syntax(stream))
    stream.seek(0)
    attributes = pydicom.dcmread(stream, stop_before_pixels=True)
    if missing := [name for name in NEEDED if attributes.get(name) is None]:
        raise ValueError(f"has no {missing[0]}")
    _check_image(attributes)
    return attributes


def _read_transfer_syntax(stream: BinaryIO) -> UID:
    """Return how the rest of a file is encoded; the tags up to there are never compressed."""
    stream.seek(PREFIX)
    meta = read_dataset(stream, is_implicit_VR=False, is_little_endian=True, stop_when=_is_after_the_meta_tags)
    if "TransferSyntaxUID" not in meta:
        raise ValueError("has no TransferSyntaxUID")
    return UID(meta.TransferSyntaxUID)


def _is_after_the_meta_tags(tag: BaseTag, representation: str | None, length: int) -> bool:
    return tag.group != 2


def _check_transfer_syntax(syntax: UID) -> None:
    if not syntax.is_transfer_syntax:
        raise ValueError(f"has the unknown transfer syntax {syntax}")
    if syntax.is_deflated:  # it could expand to any size before its tags can be read
        raise DataError("is deflated as a whole, which is not supported", hint="save it without compression")
    if not syntax.is_compressed:
        return
    try:
        available = get_decoder(syntax).is_available
    except NotImplementedError:  # a video, for example
        available = False
    if not available:
        hint = "save it without compression, or install a decoder for pydicom, such as pylibjpeg"
        raise DataError(f"is compressed with {syntax.name}, which cannot be decoded here", hint=hint)


def _check_image(attributes: Dataset) -> None:
    frames = int(attributes.get("NumberOfFrames") or 1)
    if frames > 1:
        hint = "convert it to a volume with dcm2niix, or to files of one frame with emf2sf of dcm4che"
        raise DataError(f"has {frames} frames", hint=hint)
    photometric, samples = str(attributes.PhotometricInterpretation), int(attributes.SamplesPerPixel)
    if not (photometric in ("MONOCHROME1", "MONOCHROME2") and samples == 1) and not (
        photometric in COLOURS and samples == 3
    ):
        raise DataError(f"has the photometric interpretation {photometric}, which is not supported")
    if attributes.BitsAllocated not in (8, 16, 32) or not 1 <= attributes.BitsStored <= attributes.BitsAllocated:
        raise DataError(f"has {attributes.BitsStored} of {attributes.BitsAllocated} bits, which is not supported")
    if samples == 3 and attributes.BitsAllocated != 8:
        raise DataError(f"has colours of {attributes.BitsAllocated} bits, which are not supported")
    if "ModalityLUTSequence" in attributes:
        raise DataError("maps its values with a table, which is not supported")
