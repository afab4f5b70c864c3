"""A run on DICOM files: every command reads them, and translations are secondary captures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

Write = Callable[..., Path]
Cli = Callable[..., Any]

SPEC = """
name = "tiny"

[data]
source = "folder"
a = "mr"
b = "ct"
channels = 1
range = { a = [0, 4095], b = [-1024, 3071] }
size = 16
workers = 1

[generator]
name = "resnet"
width = 4
blocks = 1

[discriminator]
name = "patch"
width = 4
layers = 1

[train]
steps = 1

[samples]
count = 1

[[metric]]
name = "cycle"
"""

KEPT = '\n[[format]]\nname = "dicom"\nkeep_patient = true\n'


@pytest.fixture
def folder(dicom: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with MR and CT images."""
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        values = np.random.default_rng(number).integers(0, 4096, (20, 24)).astype(np.uint16)
        dicom(f"mr/{number}.dcm", values)
        dicom(f"ct/{number}.dcm", values, BitsStored=12, HighBit=11, RescaleSlope="1", RescaleIntercept="-1024")
    (tmp_path / "spec.toml").write_text(SPEC)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_every_command_takes_dicom_files(cgkit: Cli) -> None:
    result = cgkit("init", "mr", "ct", "--output", "started.toml")
    assert result.code == 0
    assert "b: 4 images, shorter side 20 pixels, grey of int16 from" in result.err
    for command in (
        ("check", "spec.toml"),
        ("run", "spec.toml", "--output", "run"),
        ("evaluate", "run"),
        ("translate", "run", "mr", "--output", "out"),
    ):
        result = cgkit(*command)
        assert result.code == 0, result.err
    translation = pydicom.dcmread("out/0.dcm")
    assert translation.SOPClassUID.name == "Secondary Capture Image Storage"
    assert (translation.Rows, translation.Columns) == (20, 24)
    assert translation.pixel_array.dtype == np.int16
    assert translation.pixel_array.min() >= -1024
    assert "no" not in str(translation.PatientName)


def test_a_translation_names_the_patient_only_if_the_spec_says_so(cgkit: Cli, folder: Path) -> None:
    for name, spec in (("without", SPEC), ("with", SPEC + KEPT)):
        (folder / "spec.toml").write_text(spec)
        assert cgkit("run", "spec.toml", "--output", name).code == 0
        assert cgkit("translate", name, "mr/0.dcm", "--output", f"out-{name}").code == 0
    source = pydicom.dcmread("mr/0.dcm")
    anonymous, named = (pydicom.dcmread(f"out-{name}/0.dcm") for name in ("without", "with"))
    assert (str(anonymous.PatientName), anonymous.StudyInstanceUID == "1.2.3") == ("", False)
    assert (str(named.PatientName), named.PatientID, named.StudyInstanceUID) == ("Doe^Jane", "17", "1.2.3")
    assert len({file.SOPInstanceUID for file in (source, anonymous, named)}) == 3
