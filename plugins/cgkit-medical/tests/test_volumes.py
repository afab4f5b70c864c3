"""A run on volumes: training on their slices, and translating them as volumes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from cgkit_medical.opening import open_volume
from numpy.typing import NDArray

Write = Callable[..., Path]
Cli = Callable[..., Any]
Phantom = Callable[..., NDArray[np.int16]]

pytestmark = pytest.mark.filterwarnings("always::cgkit.errors.CgkitWarning")


def values_of(file: Path) -> NDArray[Any]:
    return open_volume(file).read()


@pytest.fixture
def run(cgkit: Cli, folder: Path) -> Callable[..., Path]:
    """Train on the volumes in the working folder: `run("data.neighbours=1", ...)`."""

    def train(*settings: str) -> Path:
        given = [part for setting in settings for part in ("--set", setting)]
        result = cgkit("run", "spec.toml", *given, "--output", folder / "run")
        assert result.code == 0, result.err
        return folder / "run"

    return train


def test_a_ct_is_translated_in_place_and_keeps_its_padding(cgkit: Cli, folder: Path, run: Callable[..., Path]) -> None:
    result = cgkit("translate", run(), "ct", "--direction", "b2a", "--output", "out")
    assert result.code == 0, result.err
    before, after = (nibabel.load(folder / name / "c0.nii.gz") for name in ("ct", "out"))
    assert np.array_equal(before.affine, after.affine)
    assert (before.shape, after.get_data_dtype()) == (after.shape, np.int16)
    padding = np.asarray(before.dataobj) == -3024
    values = np.asarray(after.dataobj)
    assert padding.any()
    assert (values[padding] == -3024).all()
    assert values[~padding].min() >= 0  # the low end of the range of MR
    assert f"{padding.sum():,} voxels of padding were written unchanged" in result.err


@pytest.mark.parametrize("axis", ["axial", "coronal", "sagittal", "i"])
def test_every_axis_gives_a_volume_in_the_same_place(
    cgkit: Cli, folder: Path, run: Callable[..., Path], axis: str, nifti: Write
) -> None:
    model = run(f"data.axis={axis}", "data.neighbours=1", "data.channels=3", "data.size=8", "data.empty=0")
    nifti("odd.nii", np.asarray(nibabel.load(folder / "mr/m0.nii.gz").dataobj)[:21, :19, :7])
    assert cgkit("translate", model, "odd.nii", "--output", "out").code == 0
    before, after = nibabel.load("odd.nii"), nibabel.load("out/odd.nii")
    assert np.array_equal(before.affine, after.affine)
    assert before.shape == after.shape


def test_a_volume_does_not_depend_on_how_it_is_stored(cgkit: Cli, folder: Path, run: Callable[..., Path]) -> None:
    image = nibabel.load(folder / "mr/m0.nii.gz")
    nibabel.save(image.as_reoriented(nibabel.orientations.axcodes2ornt("SPR")), folder / "turned.nii")
    model = run("data.neighbours=1", "data.channels=3")
    for name in ("mr/m0.nii.gz", "turned.nii"):
        assert cgkit("translate", model, name, "--output", "out").code == 0
    turned = nibabel.as_closest_canonical(nibabel.load("out/turned.nii"))
    original = nibabel.as_closest_canonical(nibabel.load("out/m0.nii.gz"))
    assert np.array_equal(np.asarray(turned.dataobj), np.asarray(original.dataobj))


def test_slices_share_their_statistics_so_that_a_volume_does_not_flicker(
    cgkit: Cli, run: Callable[..., Path], nifti: Write
) -> None:
    # Only one corner differs from slice to slice. With statistics of its own, each slice changes everywhere.
    values = np.full((64, 64, 12), 300, np.int16)
    values[40:50, 40:50] = 700
    values[:6, :6] = np.linspace(0, 1000, 12)[np.random.default_rng(0).permutation(12)]
    nifti("x.nii", values, np.eye(4))
    model, changes = run(), []
    for samples in (16, 0):
        output = f"out-{samples}"
        assert cgkit("translate", model, "x.nii", "--statistics-from", samples, "--output", output).code == 0
        translated = values_of(Path(output) / "x.nii").astype(float)
        changes.append(float(np.abs(np.diff(translated[32:, 32:], axis=2)).mean()))
    assert 10 * changes[0] < changes[1]


def test_a_series_is_translated_into_a_new_series_in_its_place(
    cgkit: Cli, folder: Path, run: Callable[..., Path], series: Write, phantom: Phantom
) -> None:
    stored = (phantom(0, ct=True) + 1024).transpose(2, 1, 0).clip(-2000)
    source = series("patients/one", np.ascontiguousarray(stored), PixelPaddingValue=-2000)
    result = cgkit("translate", run(), "patients", "--direction", "b2a", "--output", "out")
    assert result.code == 0, result.err
    before, after = (open_volume(place) for place in (source, folder / "out/one"))
    assert np.array_equal(before.affine, after.affine)
    assert before.shape == after.shape
    padding = before.read() == -3024
    assert padding.any()
    assert (after.read()[padding] == -3024).all()
    slices = [[pydicom.dcmread(file) for file in sorted(place.iterdir())] for place in (source, folder / "out/one")]
    for old, new in zip(*slices, strict=True):
        for tag in ("FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
            assert old[tag].value == new[tag].value
        assert new.SeriesInstanceUID != old.SeriesInstanceUID
        assert (str(new.PatientName), new.PatientID or "", new.StudyInstanceUID == "1.2.3") == ("", "", False)
        assert new.ImageType[0] == "DERIVED"
    assert len({file.SeriesInstanceUID for file in slices[1]}) == 1
    assert len({file.SOPInstanceUID for file in (*slices[0], *slices[1])}) == 16


def test_a_series_names_its_patient_and_another_modality_if_the_spec_says_so(
    cgkit: Cli, folder: Path, run: Callable[..., Path], series: Write, phantom: Phantom
) -> None:
    spec = (folder / "spec.toml").read_text()
    (folder / "spec.toml").write_text(spec + '\n[[format]]\nname = "dicom"\nkeep_patient = true\nmodality = "MR"\n')
    series("one", np.ascontiguousarray(phantom(0, ct=True).transpose(2, 1, 0)))
    assert cgkit("translate", run(), "one", "--direction", "b2a", "--output", "out").code == 0
    new = pydicom.dcmread(sorted((folder / "out/one").iterdir())[0])
    assert (str(new.PatientName), new.PatientID, new.StudyInstanceUID) == ("Doe^Jane", "17", "1.2.3")
    assert (new.Modality, new.SOPClassUID.name) == ("MR", "MR Image Storage")


def test_float_translations_of_a_series_are_rounded_to_16_bits(
    cgkit: Cli, folder: Path, run: Callable[..., Path], series: Write, phantom: Phantom
) -> None:
    series("one", np.ascontiguousarray(phantom(0, ct=True).transpose(2, 1, 0)))
    model = run("data.depth=float32")
    result = cgkit("translate", model, "one", "--direction", "b2a", "--output", "out")
    assert "its values are rounded to steps of" in result.err
    assert open_volume(folder / "out/one").depth == "float32"


def test_a_refused_volume_is_named_and_leaves_what_was_there(
    cgkit: Cli, folder: Path, run: Callable[..., Path], nifti: Write
) -> None:
    model = run()
    nifti("in/bad.nii", np.zeros((4, 4, 4, 3), np.int16))
    nifti("in/good.nii", np.asarray(nibabel.load(folder / "mr/m0.nii.gz").dataobj))
    (folder / "out").mkdir()
    (folder / "out/bad.nii").write_bytes(b"earlier")
    result = cgkit("translate", model, "in", "--output", "out", "--overwrite")
    assert result.code != 0
    assert "in/bad.nii: holds several volumes" in result.err
    assert (folder / "out/bad.nii").read_bytes() == b"earlier"
    assert (folder / "out/good.nii").exists()
    result = cgkit("translate", model, "in/good.nii", "--output", "out/good.mha")
    assert result.code != 0
    assert "a volume in a .nii.gz file cannot be written as .mha" in result.err


def test_padding_that_a_translation_cannot_hold_is_told(cgkit: Cli, run: Callable[..., Path], nifti: Write) -> None:
    values = np.full((20, 20, 4), 0.5, np.float32)
    values[0] = np.nan
    nifti("x.nii", values)
    result = cgkit("translate", run(), "x.nii", "--output", "out")
    assert result.code == 0, result.err
    assert "80 voxels of padding were not kept, since int16 cannot hold their values" in result.err
    assert values_of(Path("out/x.nii"))[0].max() == -1000  # the low end of the range of CT


def test_training_on_volumes_as_if_they_were_images_says_what_to_do(cgkit: Cli, folder: Path) -> None:
    spec = (folder / "spec.toml").read_text()
    (folder / "spec.toml").write_text(spec.replace('"volumes"', '"folder"'))
    for command in (("init", "mr", "ct"), ("run", "spec.toml")):
        result = cgkit(*command)
        assert result.code != 0
        assert "is a volume, not an image" in result.err
        assert 'train on its slices with the source "volumes"' in result.err
