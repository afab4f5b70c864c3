"""Find the files of two domains, and hold out some of them for testing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cgkit.errors import DataError
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
    both = stems_a & stems_b
    chosen: set[str] = set()
    for stems in (both, stems_a - both, stems_b - both):
        chosen |= _first(stems, round(share * len(stems)))
    for stems in (stems_a, stems_b):
        if not stems & chosen:
            chosen |= _first(both or stems, 1)
    for stems in (stems_a, stems_b):
        if stems <= chosen:  # a share close to 1
            chosen -= _first(both or stems, 1)
    return _split(a, chosen), _split(b, chosen)


def _first(stems: Iterable[str], count: int) -> set[str]:
    def digest(stem: str) -> bytes:
        return hashlib.sha256(stem.encode("utf-8", "surrogateescape")).digest()

    return set(sorted(stems, key=digest)[:count])


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
