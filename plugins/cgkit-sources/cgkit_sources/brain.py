"""Slices of an average brain and of the maps of its tissues, from the package nilearn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cgkit.contracts import Size
from cgkit.errors import DataError
from cgkit_sources.packaged import digest_of, packaged_files
from cgkit_sources.pictures import Pictures

NAME = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
FILES = {
    "t1": "421a10e872fd6cadae7f61d358dffbcc1795a497d61ee76c5dda2503e1a1e9e6",
    "gm": "97a5ca69bd24db37a9cb7b32525e1733a209af904129bf1cd36da06d24243bed",
    "wm": "382d92812de4744f9c86c7a0e4f680dc317a0a50e4da1f0153618a6798c7b7db",
}
"""The volumes in nilearn 0.12 to 0.14, with their SHA-256."""

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}

BLOCK = 8
"""Number of neighbouring slices that are in the same split."""

GAP = 2
"""Number of slices at either end of a test block that are left out, because neighbouring slices are alike."""

_PARTS = ("a", "test", "b", "a", "b")


class Brain:
    """Slices of a brain: T1-weighted MR (a), and the map of its grey or white matter (b).

    The volumes are the templates ICBM152 2009a of the Montreal Neurological Institute, averages of 152 people, with a
    voxel of 1 mm. The two domains are trained on different blocks of slices, and tested on others. It is one brain: a
    score says whether the mapping was learnt, not whether it transfers to other people.

    Args:
        tissue: whose map domain b is.
        axis: the plane of the slices.
        folder: a folder with the volumes, named as in the package nilearn, instead of those in it.
    """

    aligned = True

    def __init__(
        self,
        size: Size,
        *,
        tissue: Literal["grey", "white"] = "grey",
        axis: Literal["axial", "coronal", "sagittal"] = "axial",
        folder: Path | None = None,
    ) -> None:
        self.names = ("T1", f"{tissue} matter")
        kinds = ("t1", "gm" if tissue == "grey" else "wm")
        if folder is None:
            digests = {f"datasets/data/{NAME.format(kind)}": FILES[kind] for kind in kinds}
            folder = packaged_files("nilearn", "nilearn", "brain", digests) / "datasets" / "data"
        files = [folder / NAME.format(kind) for kind in kinds]
        filled = read_volume(files[1], axis).max((1, 2)) > 0.1
        split = split_slices(np.flatnonzero(filled).tolist())
        draws = [Slice(file, axis) for file in files]
        facts = [f"brain-1 {axis} {digest_of(file)}" for file in files]

        def pictures(side: int, part: str) -> Pictures:
            numbers = tuple(split[part])
            return Pictures(draws[side], numbers, tuple(f"{axis}-{n:03}" for n in numbers), facts[side])

        self._train = pictures(0, "a"), pictures(1, "b")
        self._test = pictures(0, "test"), pictures(1, "test")

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Write two small volumes, and return options that refer to them."""
        import nibabel

        make: Any = nibabel.Nifti1Image  # which has no types
        for number, kind in enumerate(("t1", "gm")):
            values = np.random.default_rng(number).integers(0, 256, (12, 14, 30)).astype(np.uint8)
            nibabel.save(make(values, np.eye(4)), folder / NAME.format(kind))
        return {"folder": str(folder)}

    def train(self) -> tuple[Pictures, Pictures]:
        """Return the training slices: MR at some places, and the map at others."""
        return self._train

    def test(self) -> tuple[Pictures, Pictures]:
        """Return the test slices: MR and the map at the same places."""
        return self._test


@dataclass(frozen=True)
class Slice:
    """Cuts slices from a volume.

    Attributes:
        file: the volume.
        axis: the plane of the slices.
    """

    file: Path
    axis: str

    def __call__(self, number: int) -> NDArray[np.float32]:
        """Return a slice, float32 `(1, height, width)` in [0, 1]: square, and with the top of the head or face up."""
        pixels = np.rot90(read_volume(self.file, self.axis)[number])
        side = max(pixels.shape)
        down, right = ((side - length) // 2 for length in pixels.shape)
        square = np.zeros((1, side, side), np.float32)
        square[0, down : down + pixels.shape[0], right : right + pixels.shape[1]] = pixels
        return square


@cache  # once in each process
def read_volume(file: Path, axis: str) -> NDArray[np.float32]:
    """Return a volume as slices, float32 `(slices, rows, columns)` in [0, 1].

    Raises:
        DataError: it cannot be read.
    """
    try:
        import nibabel
    except ModuleNotFoundError as error:
        raise DataError("nibabel is not installed", hint='pip install "cgkit-sources[brain]"') from error
    load: Any = nibabel.load
    try:
        values = np.asarray(load(file).dataobj)
    except (OSError, nibabel.filebasedimages.ImageFileError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    return np.moveaxis(values, AXES[axis], 0).astype(np.float32) / np.float32(255)


def split_slices(numbers: list[int]) -> dict[str, list[int]]:
    """Return the numbers of the slices for testing, and for training in domains a and b.

    Raises:
        DataError: there are too few slices.
    """
    split: dict[str, list[int]] = {"a": [], "b": [], "test": []}
    for place, start in enumerate(range(0, len(numbers), BLOCK)):
        part, block = _PARTS[place % len(_PARTS)], numbers[start : start + BLOCK]
        split[part] += block[GAP:-GAP] if part == "test" else block
    if not all(split.values()):
        raise DataError(f"{len(numbers)} slices with brain are too few; {3 * BLOCK} are needed")
    return split
