from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgkit.contracts import ImageRecord
from cgkit.data.inspection import check_images, common_depth
from cgkit.errors import DataError
from cgkit.images.known_headers import KnownHeaders
from cgkit.images.pixels import PixelFormat
from tests.images.files import noise


def records(folder: Path) -> list[ImageRecord]:
    return [ImageRecord(path.name, path=path) for path in sorted(folder.iterdir())]


def test_every_unusable_image_is_reported(image_folder: Callable[..., Path]) -> None:
    folder = image_folder("images", 3)
    (folder / "bad-1.png").write_text("text")
    (folder / "bad-2.png").touch()
    inspection = check_images(records(folder))
    assert [str(problem).split(":")[0].rpartition("/")[2] for problem in inspection.problems] == [
        "bad-1.png",
        "bad-2.png",
    ]
    assert sum(inspection.sizes.values()) == 3


def test_images_smaller_than_the_crop_are_reported(image_folder: Callable[..., Path]) -> None:
    folder = image_folder("images", 1, size=(30, 30))
    Image.new("RGB", (30, 19)).save(folder / "low.png")
    (problem,) = check_images(records(folder), at_least=(20, 10)).problems
    assert "low.png: 30x19 is smaller than the 10x20 crop" in str(problem)


def test_sizes_are_described(image_folder: Callable[..., Path]) -> None:
    assert check_images(records(image_folder("a", 2, size=(8, 6)))).describe() == "8x6"
    folder = image_folder("b", 1, size=(8, 6))
    Image.new("RGB", (20, 10)).save(folder / "large.png")
    assert check_images(records(folder)).describe() == "8x6 to 20x10"
    assert check_images([ImageRecord("x", render=lambda: None)]).describe() == "rendered by the source"


class TestFitting:
    """Images that do not fit their domain are detected before any is decoded."""

    def test_the_values_are_described(self, image_folder: Callable[..., Path]) -> None:
        folder = image_folder("a", 2)
        Image.new("L", (9, 9)).save(folder / "grey.png")
        inspection = check_images(records(folder))
        assert inspection.describe_values() == "1 or 3 channels of uint8"
        assert common_depth([inspection]) == "uint8"
        assert check_images([ImageRecord("x", render=lambda: None)]).describe_values() == "rendered by the source"
        assert common_depth([check_images([])]) is None

    def test_another_number_of_bands_is_reported(self, tmp_path: Path) -> None:
        np.save(tmp_path / "a.npy", noise(4, 4, 13))
        np.save(tmp_path / "b.npy", noise(4, 4, 12))
        (problem,) = check_images(records(tmp_path), KnownHeaders(PixelFormat(13))).problems
        assert str(problem) == (
            f"{tmp_path / 'b.npy'}: has 12 channels, but its domain has 13; set data.channels, or remove the file"
        )

    def test_values_without_a_declared_range_are_reported_once(self, tmp_path: Path) -> None:
        for name, values in (("a", np.array([[-3.5, 700]])), ("b", np.zeros((2, 2)))):
            np.save(tmp_path / f"{name}.npy", values.astype(np.float32))
        (problem,) = check_images(records(tmp_path), KnownHeaders(PixelFormat(1))).problems
        assert "a.npy: contains float32 values, here from -3.5 to 700, but no range is declared" in str(problem)
        assert "range = [LOWEST, HIGHEST]" in str(problem)
        assert check_images(records(tmp_path), KnownHeaders(PixelFormat(1, range=(-10, 800)))).problems == ()

    def test_different_depths_in_one_domain_are_refused(self, tmp_path: Path) -> None:
        Image.fromarray(noise(4, 4)).save(tmp_path / "deep.png")
        Image.fromarray(noise(4, 4, depth="uint8")).save(tmp_path / "plain.png")
        inspections = [check_images([record], KnownHeaders(PixelFormat(1))) for record in records(tmp_path)]
        with pytest.raises(DataError, match=r"different depths: .*deep\.png is uint16, .*plain\.png is uint8"):
            common_depth(inspections)

    @pytest.mark.parametrize(
        ("depth", "written"), [("float64", "float32"), ("float16", "float32"), ("int64", "int32"), ("int8", "int16")]
    )
    def test_depths_that_are_never_written_are_replaced(self, tmp_path: Path, depth: str, written: str) -> None:
        np.save(tmp_path / "x.npy", noise(4, 4, depth="int8").astype(depth))
        headers = KnownHeaders(PixelFormat(1, range=(-200, 200)))
        assert common_depth([check_images(records(tmp_path), headers)]) == written
