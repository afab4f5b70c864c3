from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cgkit.components.sources.folder import Folder
from cgkit.errors import DataError

SIZE = (16, 16)
Make = Callable[..., Path]


def names(domain: object) -> list[str]:
    return [domain[index].name for index in range(len(domain))]


def test_test_folders_are_the_test_split(image_folder: Make) -> None:
    folders = {name: image_folder(name, count) for name, count in (("a", 4), ("b", 5), ("test_a", 2), ("test_b", 3))}
    source = Folder(SIZE, **folders)
    assert [len(domain) for domain in (*source.train(), *source.test())] == [4, 5, 2, 3]
    assert source.test()[1][0].path == folders["test_b"] / "image-0.png"
    assert not source.aligned


def test_without_test_folders_a_share_is_held_out(image_folder: Make) -> None:
    source = Folder(SIZE, a=image_folder("a", 20), b=image_folder("b", 3), held_out=0.25)
    assert [len(domain) for domain in (*source.train(), *source.test())] == [15, 2, 5, 1]
    for train, test in zip(source.train(), source.test(), strict=True):
        assert not set(names(train)) & set(names(test))


def test_an_added_image_moves_few_others(image_folder: Make) -> None:
    a, b = image_folder("a", 40), image_folder("b", 2)
    before = set(names(Folder(SIZE, a=a, b=b).test()[0]))
    Image.new("RGB", (8, 8)).save(a / "new.png")
    after = set(names(Folder(SIZE, a=a, b=b).test()[0]))
    assert len(before - after) <= 1


def test_held_out_zero_tests_on_the_training_images(image_folder: Make) -> None:
    source = Folder(SIZE, a=image_folder("a", 4), b=image_folder("b", 4), held_out=0.0)
    assert names(source.train()[0]) == names(source.test()[0])


def test_a_single_image_is_in_both_splits(image_folder: Make) -> None:
    source = Folder(SIZE, a=image_folder("a", 1), b=image_folder("b", 1))
    assert [len(domain) for domain in (*source.train(), *source.test())] == [1, 1, 1, 1]


def test_aligned_test_images_are_matched_by_name_without_suffix(image_folder: Make) -> None:
    folders = {name: image_folder(name, 3) for name in ("a", "b", "test_a", "test_b")}
    (folders["test_b"] / "image-1.png").unlink()
    Image.new("RGB", (8, 8)).save(folders["test_b"] / "image-1.jpg")
    test_a, test_b = Folder(SIZE, **folders, aligned=True).test()
    assert names(test_a) == ["image-0.png", "image-1.png", "image-2.png"]
    assert names(test_b) == ["image-0.png", "image-1.jpg", "image-2.png"]


def test_aligned_folders_with_unmatched_names_are_refused(image_folder: Make) -> None:
    folders = {name: image_folder(name, count) for name, count in (("a", 2), ("b", 2), ("test_a", 7), ("test_b", 2))}
    with pytest.raises(DataError, match=r"image-2, image-3, image-4 and 2 more"):
        Folder(SIZE, **folders, aligned=True)


def test_a_single_test_folder_is_refused(image_folder: Make) -> None:
    with pytest.raises(ValueError, match="give both, or neither"):
        Folder(SIZE, a=image_folder("a"), b=image_folder("b"), test_a=image_folder("test_a"))


def test_the_same_folder_for_both_domains_is_refused(image_folder: Make) -> None:
    a = image_folder("a")
    with pytest.raises(DataError, match="for both domains"):
        Folder(SIZE, a=a, b=a)


def test_the_fingerprint_changes_with_names_and_file_sizes(image_folder: Make) -> None:
    a, b = image_folder("a"), image_folder("b")

    def fingerprint() -> str:
        return Folder(SIZE, a=a, b=b, held_out=0.0).train()[0].fingerprint()

    first = fingerprint()
    assert fingerprint() == first
    with (a / "image-0.png").open("ab") as stream:
        stream.write(b"x")
    changed = fingerprint()
    assert changed != first
    (a / "image-0.png").rename(a / "image-9.png")
    assert fingerprint() != changed


def test_domains_can_be_pickled(image_folder: Make) -> None:
    domain = Folder(SIZE, a=image_folder("a"), b=image_folder("b")).train()[0]
    assert names(pickle.loads(pickle.dumps(domain))) == names(domain)
