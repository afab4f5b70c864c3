from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from cgkit.contracts import ImageRecord
from cgkit.data.inspection import check_images


def records(folder: Path) -> list[ImageRecord]:
    return [ImageRecord(path.name, path=path) for path in sorted(folder.iterdir())]


def test_every_bad_image_is_found(image_folder: Callable[..., Path]) -> None:
    folder = image_folder("images", 3)
    (folder / "bad-1.png").write_text("text")
    (folder / "bad-2.png").touch()
    found = check_images(records(folder))
    assert [str(problem).split(":")[0].rpartition("/")[2] for problem in found.problems] == ["bad-1.png", "bad-2.png"]
    assert len(found.sizes) == 3


def test_images_smaller_than_what_is_cut_from_them_are_named(image_folder: Callable[..., Path]) -> None:
    folder = image_folder("images", 1, size=(30, 30))
    Image.new("RGB", (30, 19)).save(folder / "low.png")
    (problem,) = check_images(records(folder), at_least=(20, 10)).problems
    assert "low.png: 30x19 is smaller than the 10x20" in str(problem)


def test_sizes_are_described(image_folder: Callable[..., Path]) -> None:
    assert check_images(records(image_folder("a", 2, size=(8, 6)))).describe() == "8x6"
    folder = image_folder("b", 1, size=(8, 6))
    Image.new("RGB", (20, 10)).save(folder / "large.png")
    assert check_images(records(folder)).describe() == "8x6 to 20x10"
    assert check_images([ImageRecord("x", render=lambda: None)]).describe() == "generated"
