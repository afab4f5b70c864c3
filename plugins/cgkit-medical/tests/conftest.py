"""DICOM files, made by pydicom, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from cgkit.cli import main

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def dicom(tmp_path: Path) -> Write:
    """Write a DICOM file: `dicom(name, values, RescaleSlope=2, ...)`; values are `(H, W)` or `(H, W, 3)`."""

    def write(name: str, values: NDArray[Any], *, compress: Any = None, syntax: Any = None, **tags: Any) -> Path:
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        dataset.StudyInstanceUID, dataset.PatientName, dataset.PatientID = "1.2.3", "Doe^Jane", "17"
        dataset.Rows, dataset.Columns = values.shape[:2]
        dataset.SamplesPerPixel = values.shape[2] if values.ndim == 3 else 1
        dataset.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
        if values.ndim == 3:
            dataset.PlanarConfiguration = 0
        dataset.BitsAllocated = dataset.BitsStored = 8 * values.dtype.itemsize
        dataset.HighBit = dataset.BitsStored - 1
        dataset.PixelRepresentation = int(values.dtype.kind == "i")
        for tag, value in tags.items():
            setattr(dataset, tag, value)
        dataset.add_new("PixelData", "OW" if values.dtype.itemsize > 1 else "OB", values.tobytes())
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        if compress is not None:
            dataset.compress(compress)
        if syntax is not None:
            dataset.file_meta.TransferSyntaxUID = syntax
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        dataset.save_as(file, enforce_file_format=True)
        return file

    return write


@pytest.fixture
def cgkit(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """The command line, in this process: `cgkit("run", spec)` returns its exit code and messages."""

    def call(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return int(stop.value.code or 0), capsys.readouterr().err

    return call
