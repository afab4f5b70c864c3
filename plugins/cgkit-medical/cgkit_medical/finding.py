"""Find the volumes in a folder."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cgkit.errors import DataError
from cgkit_medical.dicom.series import dicom_files
from cgkit_medical.opening import SUFFIXES, open_volume
from cgkit_medical.volume import Affine

_COMPANIONS = {".mhd": (".raw", ".zraw")}
"""The suffixes of files that belong to a volume in another file."""

_BIDS = re.compile(r"(?:^|/)(sub-[A-Za-z0-9]+)(?=[_/.]|$)")


@dataclass(frozen=True)
class Found:
    """A volume in a folder. It can be pickled, and holds no values.

    Attributes:
        path: the file, or the folder of a DICOM series.
        name: the path within the folder.
        patient: the patient.
        named: whether the patient is named by a tag or by BIDS, not only by the name of the file.
        shape: the number of voxels along i, j and k.
        affine: where the voxels are.
        depth: the type of the values, by its NumPy name.
        size: the number of bytes of the values.
    """

    path: Path
    name: str
    patient: str
    named: bool
    shape: tuple[int, int, int]
    affine: Affine
    depth: str
    size: int

    @property
    def stem(self) -> str:
        """The name without a suffix, which pairs of volumes share."""
        return _without_suffix(self.name)

    @property
    def bytes_on_disk(self) -> int:
        """The number of bytes of its files."""
        files = dicom_files(self.path) if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files)


def find_volumes(folder: Path) -> tuple[list[Found], Counter[str]]:
    """Return the volumes in a folder and its subfolders, sorted by name, and the number of other files by suffix.

    A volume is a NIfTI or MetaImage file, or a folder with the slices of one DICOM series. The patient is the
    PatientID of DICOM, the subject `sub-NAME` of a path in BIDS, or else the name of the file or folder.

    Raises:
        DataError: the folder is missing or holds no volume, or a volume is damaged or not supported.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} {'is not a folder' if folder.exists() else 'does not exist'}")
    paths, others = [], Counter[str]()
    for parent, names in _walk(folder):
        files = [parent / name for name in names]
        volumes = [file for file in files if file.name.lower().endswith(SUFFIXES)]
        slices = dicom_files(parent)
        paths += [*volumes, *([parent] if slices else [])]
        companions = {file.with_suffix(end) for file in volumes for end in _COMPANIONS.get(file.suffix.lower(), ())}
        others.update(file.suffix.lower() for file in files if file not in {*volumes, *slices, *companions})
    if not paths:
        kinds = f"its {sum(others.values())} files are others" if others else "it has no files"
        raise DataError(f"{folder} contains no volumes ({', '.join(SUFFIXES)}, DICOM): {kinds}")
    return [_found(path, folder) for path in sorted(paths)], others


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield Path(parent), sorted(name for name in names if not name.startswith("."))


def _found(path: Path, folder: Path) -> Found:
    volume = open_volume(path)
    name = path.relative_to(folder).as_posix() if path != folder else path.resolve().name
    subject = _BIDS.search(name)
    named = volume.patient or (subject and subject[1])
    patient = named or _without_suffix(name)
    return Found(path, name, patient, bool(named), volume.shape, volume.affine, volume.depth, volume.size)


def _without_suffix(name: str) -> str:
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]
