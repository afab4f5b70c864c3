"""A folder with the slices of a DICOM series is a volume."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cgkit_medical.dicom.image_format import Dicom
from cgkit_medical.opening import open_volume
from pydicom.uid import generate_uid

from cgkit.errors import DataError

Write = Callable[..., Path]
VALUES = np.random.default_rng(0).integers(0, 3000, (5, 7, 6)).astype(np.int16)


def refused(folder: Path) -> str:
    assert Dicom().whole(folder)
    with pytest.raises(DataError) as error:
        open_volume(folder)
    return str(error.value)


def test_slices_are_sorted_by_position_and_rescaled(series: Write) -> None:
    volume = open_volume(series("s", VALUES))
    assert (volume.shape, volume.depth, volume.patient) == ((6, 7, 5), "int32", "17")
    assert np.array_equal(volume.read(), VALUES.T.astype(int) - 1024)
    assert np.allclose(volume.affine, [[-0.7, 0, 0, 10], [0, -0.8, 0, -20], [0, 0, 3, 30], [0, 0, 0, 1]])


@pytest.mark.parametrize("directions", [[1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1], [0.8, 0.6, 0, 0, 0, -1]])
def test_itk_places_a_series_alike(series: Write, directions: list[float]) -> None:
    itk = pytest.importorskip("SimpleITK")
    normal = np.cross(directions[:3], directions[3:])
    folder = series("s", VALUES, step=tuple(2.5 * normal), ImageOrientationPatient=directions)
    volume = open_volume(folder)
    names = itk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    image = itk.ReadImage(names)
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    assert np.allclose(np.diag([-1, -1, 1, 1]) @ affine, volume.affine, atol=1e-4)
    assert np.array_equal(itk.GetArrayFromImage(image).T, volume.read())


def test_files_without_a_suffix_are_slices_too(series: Write) -> None:
    for name in ("IM{}", "1.2.840.{}"):
        folder = series(name[:3], VALUES, name=name)
        assert Dicom().whole(folder)
        assert open_volume(folder).shape == (6, 7, 5)


def test_images_that_do_not_say_where_they_are_stay_images(dicom: Write, series: Write, tmp_path: Path) -> None:
    for number in range(3):
        dicom(f"images/{number}.dcm", VALUES[number], SeriesInstanceUID="1.2")
    assert not Dicom().whole(tmp_path / "images")
    assert not Dicom().whole(series("one", VALUES[:1]))
    for number in range(3):  # a slice of each of several patients
        series("patients", VALUES[:1], name=f"{number}-{{}}.dcm")
    assert not Dicom().whole(tmp_path / "patients")


def test_several_series_in_one_folder_are_named(series: Write) -> None:
    series("s", VALUES, name="a{}.dcm")
    message = refused(series("s", VALUES[:2], name="b{}.dcm", SeriesDescription="scout", SeriesNumber=7))
    assert "mixes 2 series: CT thorax (5 files), CT 7 scout (2 files)" in message


def test_missing_slices_are_counted(series: Write) -> None:
    assert "lacks 2 slices between 33 and 42 mm" in refused(series("s", VALUES.repeat(2, 0), only=[0, 1, 4, 5, 6, 7]))


def test_what_is_no_regular_grid_is_refused(series: Write) -> None:
    assert "tilted gantry" in refused(series("tilt", VALUES, step=(0, 0.5, 3)))
    series("uneven", VALUES, only=[0, 1, 2, 3], SeriesInstanceUID="1.2.3")
    series("uneven", VALUES, only=[4], step=(0, 0, 3.4), SeriesInstanceUID="1.2.3")
    assert "uneven distances: 4.6 mm between 39 and 43.6 mm" in refused(series("uneven", VALUES, only=[]))
    uid = generate_uid()
    series("echoes", VALUES, name="a{}.dcm", SeriesInstanceUID=uid)
    assert "several slices at the same place" in refused(
        series("echoes", VALUES, name="b{}.dcm", SeriesInstanceUID=uid)
    )
    series("sizes", VALUES, SeriesInstanceUID=uid)
    message = refused(series("sizes", VALUES[:, :4], only=[0], SeriesInstanceUID=uid, name="z{}.dcm"))
    assert "differ in Rows: 7 and 4" in message


def test_the_tags_of_padding_are_read(series: Write) -> None:
    volume = open_volume(series("s", VALUES, PixelPaddingValue=-2000, PixelPaddingRangeLimit=-1500))
    assert volume.padding == ((-3024.0, -2524.0),)


def test_a_damaged_slice_is_named(series: Write) -> None:
    folder = series("s", VALUES)
    content = (folder / "3.dcm").read_bytes()
    (folder / "3.dcm").write_bytes(content[:-30])
    with pytest.raises(DataError, match=r"3\.dcm is damaged"):
        open_volume(folder).read()
