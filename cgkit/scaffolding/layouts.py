"""Find the domains of a data set in the folders that the user names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cgkit.errors import Problems, UsageError
from cgkit.files.image_files import list_images

LAYOUTS = (("trainA", "trainB"), ("train/A", "train/B"), ("A", "B"), ("train/a", "train/b"), ("a", "b"))
"""The folders of a data set's two domains, in its root."""

_TRAIN = re.compile("train", re.IGNORECASE)
_GENERIC = re.compile(r"(train|test)?[-_]?[ab]?|images", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """The folders of a data set.

    Attributes:
        name: a name for a run on it.
        train: the folders of the training images of a and b.
        test: the folders of their test images; None if there are none.
        tests: the number of test images, of the domain that has more; 0 without test folders.
        aligned: whether the test images have the same names in both folders.
        remarks: what the user should know.
    """

    name: str
    train: tuple[Path, Path]
    test: tuple[Path, Path] | None
    tests: int
    aligned: bool
    remarks: tuple[str, ...]


def check_folders(folders: Sequence[Path]) -> None:
    """Refuse more than two folders, and folders that do not exist.

    Raises:
        UsageError: there is such a problem.
    """
    if len(folders) > 2:
        raise UsageError("give two folders, one per domain, the root of a data set, or none")
    absent = [f"{folder} {'is not a folder' if folder.exists() else 'does not exist'}" for folder in folders]
    if missing := [text for folder, text in zip(folders, absent, strict=True) if not folder.is_dir()]:
        raise UsageError(Problems.of(missing))


def find_layout(folders: Sequence[Path]) -> Layout:
    """Return the layout of two folders, one per domain, or of one folder, the root of a data set.

    Raises:
        UsageError: there are more than two folders, one does not exist, or no two domains are in the root.
        DataError: a folder of test images contains none.
    """
    check_folders(folders)
    train = (folders[0], folders[1]) if len(folders) == 2 else _find_domains(folders[0])
    remarks = [remark for folder in train for remark in _warn_of_splits(folder)]
    test = _find_tests(train)
    names = [_names(folder) for folder in test or ()]
    aligned = test is not None and names[0] == names[1]
    if len(folders) == 1:
        remarks.insert(0, f"a is {train[0]}, b is {train[1]}")
    if test is not None:
        remarks.append(f"test images: {test[0]} and {test[1]}")
    if aligned:
        remarks.append("test images have the same names in both folders, so they are taken for pairs: aligned = true")
    return Layout(_choose_name(train), train, test, max(map(len, names), default=0), aligned, tuple(remarks))


def _find_domains(root: Path) -> tuple[Path, Path]:
    for a, b in LAYOUTS:
        if (root / a).is_dir() and (root / b).is_dir():
            return root / a, root / b
    known = ", ".join(f"{a} and {b}" for a, b in LAYOUTS[:3])
    raise UsageError(
        f"{root} does not contain two domains",
        hint=f"give the folder of each: cgkit init FOLDER_A FOLDER_B; or name its subfolders {known}",
    )


def _find_tests(train: tuple[Path, Path]) -> tuple[Path, Path] | None:
    """Return the folders of test images: testA for trainA or A, test/A for train/A; None if they do not exist."""
    for tests in zip(*map(_name_tests, train), strict=True):
        if all(test.is_dir() for test in tests) and not set(tests) & set(train):
            return tests[0], tests[1]
    return None


def _name_tests(folder: Path) -> tuple[Path, Path, Path]:
    """Return the possible folders of the test images that belong to a folder of training images."""
    name, parent = folder.name, folder.parent
    renamed = parent.with_name(_TRAIN.sub("test", parent.name)) if parent.name else parent
    return parent / _TRAIN.sub("test", name), renamed / name, parent / f"test{name}"


def _warn_of_splits(folder: Path) -> list[str]:
    subfolders = {entry.name.lower() for entry in folder.iterdir() if entry.is_dir()} if folder.is_dir() else set()
    splits = sorted(name for name in subfolders if re.match("train|test", name))
    if any(name.startswith("train") for name in splits) and any(name.startswith("test") for name in splits):
        inside = " and ".join(splits)
        return [f"warning: {folder} is one domain here, but contains {inside}: all their images are trained on"]
    return []


def _names(folder: Path) -> set[Path]:
    return {file.relative_to(folder).with_suffix("") for file in list_images(folder)}


def _choose_name(train: tuple[Path, Path]) -> str:
    """Return a name made of both folders' names or, if these say nothing, that of the data set's folder."""
    folders = [folder.resolve() for folder in train]
    if all(_GENERIC.fullmatch(folder.name) for folder in folders) and folders[0].parent == folders[1].parent:
        root = folders[0].parent
        folders = [root.parent if _GENERIC.fullmatch(root.name) else root]
    names = [re.sub(r"[^\w-]+", "-", folder.name).strip("-_") or "images" for folder in folders]
    return "-to-".join(names)[:90]
