"""What is read of a DICOM file, and which files are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cgkit_medical.dicom.image_format import Dicom
from numpy.typing import NDArray
from pydicom.uid import MPEG2MPML, DeflatedExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from cgkit.contracts import ImageHeader, Reading
from cgkit.errors import DataError

Write = Callable[..., Path]
GREY = np.random.default_rng(0).integers(0, 4096, (12, 10)).astype(np.uint16)
COLOUR = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)


def read(file: Path) -> tuple[ImageHeader, NDArray[Any]]:
    with file.open("rb") as stream:
        image = Dicom().open(stream, Reading())
        return image.header, image.decode()


def test_grey_is_read_as_stored(dicom: Write) -> None:
    header, values = read(dicom("x.dcm", GREY, BitsStored=12, HighBit=11))
    assert (header.width, header.height, header.channels, header.depth, header.layout) == (10, 12, 1, "uint16", "grey")
    assert np.array_equal(values[..., 0], GREY)


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_is_read_in_either_order(dicom: Write, planar: int) -> None:
    stored = COLOUR if planar == 0 else np.ascontiguousarray(COLOUR.transpose(2, 0, 1)).reshape(12, 10, 3)
    header, values = read(dicom("x.dcm", stored, PlanarConfiguration=planar))
    assert header.layout == "colour"
    assert np.array_equal(values, COLOUR)


@pytest.mark.parametrize(
    ("slope", "intercept", "depth"),
    [
        ("1", "-1024", "int16"),
        ("2", "0", "int16"),
        ("10", "0", "uint16"),
        ("100", "-5", "int32"),
        ("0.5", "0", "float32"),
    ],
)
def test_slope_and_intercept_are_applied(dicom: Write, slope: str, intercept: str, depth: str) -> None:
    tags = {"RescaleSlope": slope, "RescaleIntercept": intercept, "BitsStored": 12, "HighBit": 11}
    header, values = read(dicom("x.dcm", GREY, **tags))
    assert (header.depth, values.dtype.name) == (depth, depth)
    assert np.array_equal(values[..., 0], GREY * float(slope) + float(intercept))


def test_low_values_are_dark_even_if_they_are_stored_as_white(dicom: Write) -> None:
    tags = {"BitsStored": 12, "HighBit": 11, "PhotometricInterpretation": "MONOCHROME1"}
    _, values = read(dicom("x.dcm", GREY, **tags))
    assert np.array_equal(values[..., 0], 4095 - GREY)
    _, rescaled = read(dicom("y.dcm", GREY, RescaleSlope="1", RescaleIntercept="-1024", **tags))
    assert np.array_equal(rescaled[..., 0], 4095 - GREY.astype(int) - 1024)


def test_signed_values_are_read(dicom: Write) -> None:
    stored = (GREY.astype(np.int32) - 2048).astype(np.int16)
    header, values = read(dicom("x.dcm", stored))
    assert header.depth == "int16"
    assert np.array_equal(values[..., 0], stored)


def test_compression_that_pydicom_decodes_is_read(dicom: Write) -> None:
    _, values = read(dicom("x.dcm", GREY, compress=RLELossless))
    assert np.array_equal(values[..., 0], GREY)


REFUSED: dict[str, dict[str, Any]] = {
    "has 2 frames": {"values": np.concatenate([GREY, GREY]), "Rows": 12, "NumberOfFrames": 2},
    "PALETTE COLOR, which is not supported": {"PhotometricInterpretation": "PALETTE COLOR"},
    "is compressed with JPEG-LS": {"compress": RLELossless, "syntax": JPEGLSLossless},
    "is compressed with MPEG2": {"compress": RLELossless, "syntax": MPEG2MPML},
    "is deflated": {"syntax": DeflatedExplicitVRLittleEndian},
    "colours of 16 bits": {"values": COLOUR.astype(np.uint16)},
    "table": {"ModalityLUTSequence": []},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_an_unsupported_image_is_refused_with_a_sentence(dicom: Write, reason: str) -> None:
    tags = {"values": GREY, **REFUSED[reason]}
    file = dicom("x.dcm", tags.pop("values"), **tags)
    with pytest.raises(DataError, match=reason):
        read(file)


def test_a_missing_tag_is_named(dicom: Write) -> None:
    with pytest.raises(ValueError, match="has no Rows"):
        read(dicom("x.dcm", GREY, Rows=None))


def test_missing_pixels_are_an_error(dicom: Write) -> None:
    file = dicom("x.dcm", GREY)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ValueError, match="size 110"):
        read(file)
