"""NIfTI and MetaImage files: what is read, what is written over the original, and what is refused."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from cgkit_medical.opening import open_volume
from cgkit_medical.volume import Volume

from cgkit.errors import DataError

Write = Callable[..., Path]
VALUES = np.random.default_rng(0).integers(-1000, 3000, (6, 5, 4)).astype(np.int16)
TURNED = (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1)

META = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = {msb}
CompressedData = {compressed}
{size}TransformMatrix = 0.8 0.6 0 -0.6 0.8 0 0 0 1
Offset = 3 4 5
AnatomicalOrientation = RAI
ElementSpacing = 1.5 1.4 3
PatientPosition = HFS
DimSize = 6 5 4
ElementType = MET_SHORT
{channels}ElementDataFile = {file}
"""


def meta(
    path: Path, *, msb: bool = False, compressed: bool = False, file: str = "LOCAL", channels: str = "", cut: int = 0
) -> Path:
    import zlib

    content = VALUES.astype(">i2" if msb else "<i2").tobytes(order="F")
    content = zlib.compress(content) if compressed else content
    content = content[: len(content) - cut]
    size = f"CompressedDataSize = {len(content)}\n" if compressed else ""
    header = META.format(msb=msb, compressed=compressed, size=size, file=file, channels=channels).encode()
    if file == "LOCAL":
        path.write_bytes(header + content)
    else:
        path.write_bytes(header)
        (path.parent / file).write_bytes(content)
    return path


def write_over(volume: Volume, target: Path) -> Volume:
    """Write other values with what a volume says besides; return the new volume."""
    written = np.arange(volume.shape[0] * volume.shape[1] * volume.shape[2]).reshape(volume.shape).astype(np.float32)
    volume.write(target, written, None)
    again = open_volume(target)
    assert np.array_equal(again.read(), written)
    return again


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_nifti_opens_in_the_place_of_its_original(nifti: Write, tmp_path: Path, suffix: str) -> None:
    file = nifti(f"x{suffix}", VALUES, descrip=b"by a scanner", cal_max=80, intent_code=3, xyzt_units=10, toffset=7)
    volume = open_volume(file)
    assert (volume.shape, volume.depth) == (VALUES.shape, "int16")
    assert np.array_equal(volume.read(), VALUES)
    write_over(volume, tmp_path / f"y{suffix}")
    before, after = (nibabel.load(tmp_path / f"{name}{suffix}").header for name in "xy")
    assert np.array_equal(before.get_best_affine(), after.get_best_affine())
    changed = {
        field
        for field in before
        if not np.array_equal(before[field], after[field], equal_nan=before[field].dtype.kind == "f")
    }
    assert changed == {"datatype", "bitpix", "cal_max", "intent_code", "descrip"}
    assert b"not for diagnosis" in after["descrip"].item()
    compressed = (tmp_path / f"y{suffix}").read_bytes().startswith(b"\x1f\x8b")
    assert compressed == suffix.endswith(".gz")


@pytest.mark.parametrize(
    ("slope", "intercept", "depth"), [(1, -1024, "int32"), (0.5, 0, "float32"), (2, 0, "int32"), (0, 5, "int16")]
)
def test_slope_and_intercept_of_nifti_are_applied(nifti: Write, slope: float, intercept: float, depth: str) -> None:
    file = nifti("x.nii", VALUES)
    content = bytearray(file.read_bytes())
    content[112:120] = np.array([slope, intercept], "<f4").tobytes()
    file.write_bytes(content)
    volume = open_volume(file)
    expected = VALUES if slope == 0 else VALUES * slope + intercept  # 0 means that there is none
    assert volume.depth == depth == volume.read().dtype.name
    assert np.array_equal(volume.read(), expected)


def test_tags_of_patients_in_the_extensions_of_nifti_are_dropped(nifti: Write, tmp_path: Path) -> None:
    image = nibabel.load(nifti("x.nii", VALUES))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"kept"))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("dicom", b""))
    nibabel.save(image, tmp_path / "y.nii")
    remarks = open_volume(tmp_path / "y.nii").write(tmp_path / "z.nii", VALUES, None)
    assert "DICOM tags" in remarks[0]
    assert [extension.get_code() for extension in nibabel.load(tmp_path / "z.nii").header.extensions] == [6]


@pytest.mark.parametrize("kind", [{}, {"msb": True}, {"compressed": True}, {"file": "x.raw"}])
def test_metaimage_opens_in_the_place_of_its_original(tmp_path: Path, kind: dict[str, Any]) -> None:
    suffix = ".mhd" if "file" in kind else ".mha"
    volume = open_volume(meta(tmp_path / f"x{suffix}", **kind))
    assert (volume.shape, volume.depth) == (VALUES.shape, "int16")
    assert np.array_equal(volume.read(), VALUES)
    expected = [[-1.2, 0.84, 0, -3], [-0.9, -1.12, 0, -4], [0, 0, 3, 5], [0, 0, 0, 1]]
    assert np.allclose(volume.affine, expected)
    again = write_over(volume, tmp_path / f"y{suffix}")
    assert np.array_equal(again.affine, volume.affine)
    assert b"PatientPosition = HFS\n" in (tmp_path / f"y{suffix}").read_bytes()


@pytest.mark.parametrize("kind", [{}, {"msb": True}, {"compressed": True}, {"file": "x.raw"}])
def test_itk_reads_metaimage_alike(tmp_path: Path, kind: dict[str, Any]) -> None:
    itk = pytest.importorskip("SimpleITK")
    suffix = ".mhd" if "file" in kind else ".mha"
    volume = open_volume(meta(tmp_path / f"x{suffix}", **kind))
    written = volume.read()[::-1].astype(np.float32)
    volume.write(tmp_path / f"y{suffix}", written, None)
    for name, values in (("x", VALUES), ("y", written)):
        image = itk.ReadImage(str(tmp_path / f"{name}{suffix}"))
        assert np.array_equal(itk.GetArrayFromImage(image).T, values)
        assert np.allclose(image.GetDirection(), TURNED)
        directions = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
        assert np.allclose(np.diag([-1, -1, 1]) @ directions, volume.affine[:3, :3])


def refused(path: Path) -> str:
    with pytest.raises(DataError) as error:
        open_volume(path).read()
    assert str(path) in str(error.value)
    return str(error.value)


def test_what_is_no_grey_volume_is_refused_with_a_remedy(nifti: Write, tmp_path: Path) -> None:
    colours = np.zeros((3, 3, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "several volumes (3 x 3 x 3 x 2 values" in refused(nifti("x.nii", np.zeros((3, 3, 3, 2), np.int16)))
    assert "fslsplit" in refused(nifti("x.nii", np.zeros((3, 3, 3, 2), np.int16)))
    assert "holds colours" in refused(nifti("x.nii", colours))
    assert "holds complex numbers" in refused(nifti("x.nii", np.zeros((3, 3, 3), np.complex64)))
    assert "holds 3 values per voxel" in refused(meta(tmp_path / "x.mha", channels="ElementNumberOfChannels = 3\n"))
    assert "which does not exist" in refused(_without_values(meta(tmp_path / "x.mhd", file="x.raw")))


def _without_values(path: Path) -> Path:
    path.with_suffix(".raw").unlink()
    return path


def test_damaged_files_are_refused(nifti: Write, tmp_path: Path) -> None:
    for suffix in (".nii", ".nii.gz"):
        file = nifti(f"x{suffix}", VALUES)
        file.write_bytes(file.read_bytes()[:-60])
        assert "damaged or truncated" in refused(file)
    for compressed in (False, True):
        assert "damaged or truncated" in refused(meta(tmp_path / "x.mha", compressed=compressed, cut=9))
    (tmp_path / "y.nii.gz").write_bytes(gzip.compress(b"not a header"))
    assert "damaged or truncated" in refused(tmp_path / "y.nii.gz")
    (tmp_path / "y.mha").write_bytes(b"not a header")
    assert "damaged or truncated" in refused(tmp_path / "y.mha")


def test_a_fourth_dimension_of_length_one_is_kept(nifti: Write, tmp_path: Path) -> None:
    volume = open_volume(nifti("x.nii", VALUES[..., None]))
    assert volume.shape == VALUES.shape
    write_over(volume, tmp_path / "y.nii")
    assert nibabel.load(tmp_path / "y.nii").shape == (*VALUES.shape, 1)
