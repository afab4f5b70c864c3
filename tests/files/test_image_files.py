from __future__ import annotations

from pathlib import Path

import pytest

from cgkit.errors import DataError
from cgkit.files.image_files import describe_kinds, divide, list_images


def make_tree(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def list_names(folder: Path, **options: bool) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in list_images(folder, **options)]


def test_images_are_listed_in_order_of_name(tmp_path: Path) -> None:
    make_tree(tmp_path, "b.png", "a.JPG", "sub/c.webp", "notes.txt", ".hidden.png", ".git/d.png")
    assert list_names(tmp_path) == ["a.JPG", "b.png", "sub/c.webp"]
    assert list_names(tmp_path, recursive=False) == ["a.JPG", "b.png"]


def test_unusual_names_are_listed(tmp_path: Path) -> None:
    names = ["-rf.png", "line\nbreak.png", "[bold].png", "\udcff.png", "ö.png"]
    make_tree(tmp_path, *names)
    assert sorted(list_names(tmp_path)) == sorted(names)


def test_links_are_followed_but_loops_only_once(tmp_path: Path) -> None:
    make_tree(tmp_path, "real/a.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "real" / "a.png")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    assert list_names(tmp_path) == ["link.png", "real/a.png"]


def test_files_that_are_not_listed_are_counted_by_suffix(tmp_path: Path) -> None:
    make_tree(tmp_path, "a.png", "b.CR2", "sub/c.cr2", "notes.txt", "README", ".hidden.cr2", ".git/d.cr2")
    assert divide(tmp_path)[1] == {".cr2": 2, ".txt": 1, "": 1}
    assert divide(tmp_path, recursive=False)[1] == {".cr2": 1, ".txt": 1, "": 1}
    assert describe_kinds(divide(tmp_path)[1]) == "2 .cr2, 1 without a suffix, 1 .txt"


@pytest.mark.parametrize(
    ("names", "message"),
    [([], "contains no images: it has no visible files"), (["a.txt", "b.xyz"], "none of its 2 files")],
)
def test_the_error_describes_a_folder_without_images(tmp_path: Path, names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        list_images(make_tree(tmp_path, *names))


def test_a_path_that_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        list_images(tmp_path / "none")
    with pytest.raises(DataError, match="is not a folder"):
        list_images(make_tree(tmp_path, "file.png") / "file.png")
