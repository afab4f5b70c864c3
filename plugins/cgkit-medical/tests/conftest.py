"""Images and volumes in small files, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from cgkit.cli import main

Write = Callable[..., Path]

OBLIQUE = np.array([[-1.5, 0.02, 0.0, 30], [0.02, 1.4, 0.1, -20], [0.0, -0.1, 3.0, 5], [0, 0, 0, 1]])
"""An affine of voxels that are nearly along the axes of the body, from right to left."""


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
def series(dicom: Write, tmp_path: Path) -> Write:
    """Write the slices `(k, rows, columns)` of a CT into a folder, last slice first: `series(folder, values, ...)`.

    `step` is the vector from one slice to the next in millimetres, `only` the slices to write.
    """

    def write(
        folder: str,
        values: NDArray[Any],
        *,
        step: tuple[float, float, float] = (0, 0, 3),
        only: Any = None,
        name: str = "{}.dcm",
        **tags: Any,
    ) -> Path:
        shared = {
            "Modality": "CT",
            "SeriesInstanceUID": generate_uid(),
            "FrameOfReferenceUID": "1.2.3.4",
            "SeriesDescription": "thorax",
            "PixelSpacing": [0.8, 0.7],
            "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
            "SliceThickness": 3,
            "RescaleSlope": 1,
            "RescaleIntercept": -1024,
            **tags,
        }
        for number in range(len(values)) if only is None else only:
            position = (np.array([-10.0, 20.0, 30.0]) + number * np.array(step)).round(4).tolist()
            own = {"ImagePositionPatient": position, "InstanceNumber": number + 1}
            dicom(f"{folder}/{name.format(len(values) - number)}", values[number], **{**own, **shared})
        return tmp_path / folder

    return write


@pytest.fixture
def nifti(tmp_path: Path) -> Write:
    """Write a NIfTI volume: `nifti(name, values, affine)`; further arguments are fields of its header."""

    def write(name: str, values: NDArray[Any], affine: Any = OBLIQUE, **fields: Any) -> Path:
        image = nibabel.Nifti1Image(values, affine)
        for field, value in fields.items():
            image.header[field] = value
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(image, file)
        return file

    return write


@dataclass
class Result:
    """What a command returned and printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def cgkit(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """The command line, in this process: `cgkit("run", spec)`."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return Result(int(stop.value.code or 0), *capsys.readouterr())

    return call


def make_phantom(seed: int, *, ct: bool = False, shape: tuple[int, int, int] = (22, 20, 8)) -> NDArray[np.int16]:
    """Return an ellipsoid with an organ in it: as an MR, or as a CT in a round field of view with padding of -3024."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij"))
    body = ((grid / random.uniform(0.6, 0.9, (3, 1, 1, 1))) ** 2).sum(0) < 1
    organ = ((grid - random.uniform(-0.2, 0.2, (3, 1, 1, 1))) ** 2).sum(0) < 0.1
    values = np.where(body, 40, -1000) + 600 * organ if ct else 400 * body + 500 * organ
    if ct:
        values[(grid[:2] ** 2).sum(0) > 1] = -3024
    return values.astype(np.int16)


@pytest.fixture
def phantom() -> Callable[..., NDArray[np.int16]]:
    """`make_phantom`."""
    return make_phantom


SPEC = """
name = "tiny"

[data]
source = "volumes"
a = "mr"
b = "ct"
channels = 1
range = { a = [0, 1000], b = [-1000, 1000] }
size = 16
workers = 1
held_out = 0.3

[generator]
name = "resnet"
width = 4
blocks = 1

[discriminator]
name = "patch"
width = 4
layers = 1

[train]
steps = 2

[samples]
count = 1

[[metric]]
name = "cycle"
"""


@pytest.fixture
def folder(nifti: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with three patients in `mr` and three in `ct`, and a spec."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        nifti(f"mr/m{number}.nii.gz", make_phantom(number))
        nifti(f"ct/c{number}.nii.gz", make_phantom(10 + number, ct=True))
    (tmp_path / "spec.toml").write_text(SPEC)
    return tmp_path
