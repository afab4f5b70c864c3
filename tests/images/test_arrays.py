"""NumPy arrays of numbers are read as images; other content is refused, and nothing is unpickled."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from cgkit.errors import DataError
from cgkit.images.admission import inspect_image
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image
from tests.images.files import noise


@pytest.mark.parametrize("depth", ["uint8", "uint16", "int16", "float32", "float64", ">f4", ">u2"])
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 1), (4, 6, 3), (4, 6, 13)])
def test_arrays_are_rows_columns_and_channels(tmp_path: Path, shape: tuple[int, ...], depth: str) -> None:
    values = noise(*shape, depth=np.dtype(depth).name).astype(depth)
    np.save(tmp_path / "x.npy", values)
    np.save(tmp_path / "y.npy", np.asfortranarray(values))
    header = inspect_image(tmp_path / "x.npy")
    channels = (*shape, 1)[2]
    assert (header.width, header.height, header.channels) == (6, 4, channels)
    assert header.depth == np.dtype(depth).name
    span = (-40_000.0, 70_000.0)
    image = read_image(tmp_path / "x.npy", PixelFormat(channels, range=span))
    assert image.equal(read_image(tmp_path / "y.npy", PixelFormat(channels, range=span)))
    expected = (values.astype(float).reshape(4, 6, -1).transpose(2, 0, 1) - span[0]) / (span[1] - span[0])
    assert np.abs(image.numpy() - expected).max() <= 2**-23


def test_booleans_are_black_and_white(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.eye(3, dtype=bool))
    assert np.array_equal(read_image(tmp_path / "x.npy", PixelFormat(1))[0], np.eye(3))


def test_the_last_of_four_channels_is_transparency_if_the_spec_says_so(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((2, 2, 4), 65_535, np.uint16))
    image = read_image(tmp_path / "x.npy", PixelFormat(4, range=(0, 131_070), alpha="channel"))
    assert image[:, 0, 0].tolist() == [0.5, 0.5, 0.5, 1]


class TestArchives:
    def test_a_single_array_needs_no_name(self, tmp_path: Path) -> None:
        values = noise(4, 5, 3)
        for save in (np.savez, np.savez_compressed):
            save(tmp_path / "x.npz", anything=values)
            assert np.array_equal(
                np.rint(read_image(tmp_path / "x.npz").double().numpy() * 65_535), values.transpose(2, 0, 1)
            )

    def test_one_of_several_arrays_is_chosen_by_name(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "x.npz", image=noise(4, 5), mask=noise(4, 6))
        with pytest.raises(DataError, match=r"contains these arrays: 'image', 'mask'; .*data\.array"):
            inspect_image(tmp_path / "x.npz")
        assert inspect_image(tmp_path / "x.npz", PixelFormat(1, array="mask")).width == 6
        with pytest.raises(DataError, match="contains these arrays"):
            inspect_image(tmp_path / "x.npz", PixelFormat(1, array="other"))

    def test_paths_in_member_names_are_ignored(self, tmp_path: Path) -> None:
        np.save(tmp_path / "y.npy", noise(4, 5))
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.write(tmp_path / "y.npy", "../../escaped.npy")
        before = sorted(tmp_path.rglob("*"))
        assert inspect_image(tmp_path / "x.npz").width == 5
        assert sorted(tmp_path.rglob("*")) == before

    def test_an_archive_without_arrays_is_refused(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr("a.txt", "text")
        with pytest.raises(DataError, match=r"x\.npz: "):
            inspect_image(tmp_path / "x.npz")

    def test_a_member_is_not_read_beyond_its_declared_size(self, tmp_path: Path) -> None:
        np.savez_compressed(tmp_path / "x.npz", np.zeros((200, 200), np.uint8))
        content = bytearray((tmp_path / "x.npz").read_bytes())
        offset = content.index(b"PK\x01\x02") + 24  # the uncompressed size in the central directory
        content[offset : offset + 4] = (1000).to_bytes(4, "little")
        (tmp_path / "x.npz").write_bytes(content)
        with pytest.raises(DataError, match="truncated"):
            read_image(tmp_path / "x.npz", PixelFormat(1))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), "shape"),
        (np.zeros((2, 3, 4, 5)), "shape"),
        (np.zeros((0, 5)), "shape"),
        (np.zeros((5, 5), complex), "instead of real numbers"),
        (np.zeros((5, 5), "U3"), "instead of real numbers"),
        (np.zeros((5, 5), [("a", "f4")]), "instead of real numbers"),
    ],
    ids=str,
)
def test_an_array_that_is_not_an_image_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(DataError, match=message):
        inspect_image(tmp_path / "x.npy")


def test_a_channels_first_array_is_explained(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", noise(3, 20, 30))
    with pytest.raises(DataError, match=r"looks like \(channels, H, W\); save it with the channels last: np\.moveaxis"):
        read_image(tmp_path / "x.npy")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (tmp_path / "written").touch, ()

    objects = np.empty((2, 2), object)
    objects[:] = Payload()
    np.save(tmp_path / "x.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "x.npz", objects)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(DataError, match="contains Python objects instead of real numbers"):
            read_image(tmp_path / name)
    assert not (tmp_path / "written").exists()
