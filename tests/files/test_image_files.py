from __future__ import annotations

from pathlib import Path

import pytest

from cgkit.errors import DataError
from cgkit.files.image_files import list_images


def tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def listed(folder: Path, **options: bool) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_images(folder, **options)]


def test_images_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    tree(tmp_path, "b.png", "a.JPG", "sub/c.webp", "notes.txt", ".hidden.png", ".git/d.png")
    assert listed(tmp_path) == ["a.JPG", "b.png", "sub/c.webp"]
    assert listed(tmp_path, recursive=False) == ["a.JPG", "b.png"]


def test_odd_names_are_names(tmp_path: Path) -> None:
    names = ["-rf.png", "line\nbreak.png", "[bold].png", "\udcff.png", "ö.png"]
    tree(tmp_path, *names)
    assert sorted(listed(tmp_path)) == sorted(names)


def test_links_are_followed_and_loops_only_once(tmp_path: Path) -> None:
    tree(tmp_path, "real/a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "a.png")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    assert listed(tmp_path) == ["link.png", "real/a.png"]


@pytest.mark.parametrize(
    ("names", "message"), [([], "holds no images: there is nothing"), (["a.txt", "b.gif"], "2 files, none of them")]
)
def test_a_folder_without_images_says_what_is_in_it(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list_images(tree(tmp_path, *names))


def test_what_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list_images(tmp_path / "none")
    with pytest.raises(DataError, match="is not a folder"):
        list_images(tree(tmp_path, "file.png") / "file.png")
