"""Find the files of two domains, and hold out some of them for testing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cgkit.errors import DataError
from cgkit.files.holding_out import hold_out as choose
from cgkit.files.image_files import describe_kinds

Split = tuple[list["Found"], list["Found"]]
"""Training files and test files."""


@dataclass(frozen=True)
class Found:
    """A file in a folder.

    Attributes:
        path: the file.
        name: its path within the folder, which files of the same specimen share.
    """

    path: Path
    name: str

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        folder, _, file = self.name.rpartition("/")
        return f"{folder}/{file.partition('.')[0]}".lstrip("/")


def find(folder: Path, is_wanted: Callable[[Path], bool], what: str) -> tuple[list[Found], str]:
    """Return the files in a folder and its subfolders, sorted by name, and a description of all others.

    Raises:
        DataError: the folder is missing, or holds no such file.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} {'is not a folder' if folder.exists() else 'does not exist'}")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    found = [Found(path, path.relative_to(folder).as_posix()) for path in files if is_wanted(path)]
    others = Counter(path.suffix.lower() for path in {*files} - {each.path for each in found})
    if not found:
        raise DataError(f"{folder} contains no {what}", hint=f"its {len(files)} files are others" if files else None)
    return found, describe_kinds(others)


@dataclass(frozen=True)
class Folders:
    """The folders of two domains.

    Attributes:
        a: the folder of domain a, searched with its subfolders.
        b: the folder of domain b.
        test_a: the folder of domain a's test files; None if files are held out.
        test_b: the folder of domain b's test files; None exactly if `test_a` is.

    Raises:
        ValueError: only one test folder is given.
        DataError: both domains have the same folder.
    """

    a: Path
    b: Path
    test_a: Path | None
    test_b: Path | None

    def __post_init__(self) -> None:
        if (self.test_a is None) != (self.test_b is None):
            raise ValueError("test_a and test_b belong together: give both, or neither")
        if self.a.resolve() == self.b.resolve():
            raise DataError(f"{self.a} is given for both domains")

    @property
    def names(self) -> tuple[str, str] | None:
        """What the folders call their files; None if both have the same name."""
        return None if self.a.name == self.b.name else (self.a.name[:40], self.b.name[:40])

    def split(
        self, held_out: float, is_wanted: Callable[[Path], bool], what: str
    ) -> tuple[Split, Split, dict[str, str]]:
        """Return the files of both domains, and by folder a description of the files that are ignored.

        Raises:
            DataError: a folder holds no such file, or too few to hold one out.
        """
        ignored: dict[str, str] = {}

        def search(folder: Path) -> list[Found]:
            found, others = find(folder, is_wanted, what)
            if others:
                ignored[str(folder)] = others
            return found

        found_a, found_b = search(self.a), search(self.b)
        if self.test_a is not None and self.test_b is not None:
            split_a, split_b = (found_a, search(self.test_a)), (found_b, search(self.test_b))
        else:
            split_a, split_b = hold_out(found_a, found_b, held_out, (self.a, self.b))
        return split_a, split_b, ignored


def hold_out(a: Sequence[Found], b: Sequence[Found], share: float, folders: tuple[Path, Path]) -> tuple[Split, Split]:
    """Hold out a share of the files for testing, by the digests of their names.

    Files of the same name, such as two stainings of one section, are held out in both domains or in none. If the share
    is 0, the training files are also the test files.

    Raises:
        DataError: a domain has only one file.
    """
    if share == 0:
        return (list(a), list(a)), (list(b), list(b))
    stems_a, stems_b = ({file.stem for file in files} for files in (a, b))
    for stems, folder in zip((stems_a, stems_b), folders, strict=True):
        if len(stems) < 2:
            raise DataError(
                f"{folder} has only one file, {next(iter(stems))}, which cannot be both trained on and held out",
                hint="give test_a and test_b, or set held_out = 0 to test on the training files",
            )
    chosen = choose(stems_a, stems_b, share)
    return _split(a, chosen), _split(b, chosen)


def _split(files: Sequence[Found], held_out: set[str]) -> Split:
    train = [file for file in files if file.stem not in held_out]
    return train, [file for file in files if file.stem in held_out]


def fingerprint(files: Sequence[Found], *details: object) -> str:
    """Return a digest of names, sizes and a part of the content of files, and of how their images are cut."""
    digest = hashlib.sha256(f"{details}\n".encode())
    for file in files:
        size = file.path.stat().st_size  # without compression, stacks of a microscope have the same
        digest.update(f"{file.name}\0{size}\n".encode("utf-8", "surrogateescape"))
        with file.path.open("rb") as stream:
            stream.seek(size // 2)
            digest.update(stream.read(4096))
    return digest.hexdigest()
