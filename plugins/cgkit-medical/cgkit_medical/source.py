"""The source of slices of volumes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from cgkit.contracts import Size
from cgkit.errors import DataError
from cgkit.files.image_files import describe_kinds
from cgkit_medical.finding import Found, find_volumes
from cgkit_medical.slices import Cut, Slices, filled_numbers
from cgkit_medical.slicing import Axis, stack_shape, stack_spacing
from cgkit_medical.splitting import hold_out

SIMILAR = 1.5
"""Largest ratio of the pixel spacings of volumes that one model can be trained on."""


class Volumes:
    """The slices of CT, MR and other volumes: NIfTI and MetaImage files, and folders with the slices of a DICOM series.

    Patients are split between training and testing, never the slices of one. The patient is the PatientID of DICOM, the
    subject `sub-NAME` of a path in BIDS, or else the name of the file or folder.

    Args:
        a: the folder of domain a's volumes, searched with its subfolders.
        b: the folder of domain b's volumes.
        test_a: the folder of domain a's test volumes; without it, a fraction of the patients is held out.
        test_b: the folder of domain b's test volumes; required if `test_a` is given.
        held_out: the fraction of the patients to hold out for testing if there are no test folders; if it is 0, the
            training volumes are also the test volumes.
        aligned: whether test volumes with the same name are registered to each other, voxel by voxel, so that one is
            the ground truth of the other.
        axis: in which direction slices follow each other: a plane of the body, or an axis of the stored array.
        neighbours: number of slices on either side that are channels of a slice: with 1, images have 3 channels. Set
            `channels` accordingly.
        empty: slices in which at most this fraction of the pixels is foreground are left out. Foreground is what is
            more than a tenth of the way from the lowest value of the volume to its 99th percentile, without padding.
            Every volume is decoded once for that when a command starts, except if it is 0, which keeps all slices.
        padding: values that mean "outside the image", besides NaN and those that a header declares; by default -2000,
            -2048, -3024 and -32768 if one of them is the lowest value of a volume.
        spacing: whether all volumes must have similar pixel spacings, within a factor of 1.5, or may have any.
        memory: gigabytes (10^9 bytes) of decoded volumes that each process keeps. The slices of as many volumes as fit
            in it are shuffled together.
    """

    def __init__(
        self,
        size: Size,
        *,
        a: Path,
        b: Path,
        test_a: Path | None = None,
        test_b: Path | None = None,
        held_out: Annotated[float, Ge(0), Lt(1)] = 0.1,
        aligned: bool = False,
        axis: Axis = "axial",
        neighbours: Annotated[int, Ge(0), Le(16)] = 0,
        empty: Annotated[float, Ge(0), Lt(1)] = 0.01,
        padding: tuple[float, ...] | None = None,
        spacing: Literal["similar", "any"] = "similar",
        memory: Annotated[float, Gt(0), Le(1000)] = 2.0,
    ) -> None:
        if (test_a is None) != (test_b is None):
            raise ValueError("test_a and test_b belong together: give both, or neither")
        if a.resolve() == b.resolve():
            raise DataError(f"{a} is given for both domains")
        self.aligned = aligned
        self.names = None if a.name == b.name else (a.name[:40], b.name[:40])
        self.ignored: dict[str, str] = {}
        self._cut = Cut(axis, neighbours, padding, round(memory * 1e9))
        self._empty = empty
        found_a, found_b = self._find(a), self._find(b)
        if test_a is not None and test_b is not None:
            split_a, split_b = (found_a, self._find(test_a)), (found_b, self._find(test_b))
            _refuse_leaks(split_a, split_b)
        else:
            split_a, split_b = hold_out(found_a, found_b, held_out, (a, b))
        if aligned:
            split_a, split_b = _align(split_a, split_b, axis)
        if spacing == "similar":
            _check_spacing([*split_a[0], *split_a[1], *split_b[0], *split_b[1]], axis)
        self._train = self._slices(split_a[0]), self._slices(split_b[0])
        self._test = self._test_slices(split_a[1], split_b[1])

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Write two folders of small volumes, and return options that refer to them."""
        import nibabel

        make: Any = nibabel.Nifti1Image  # which has no types
        for side, level in (("a", 100), ("b", 900)):
            (folder / side).mkdir()
            for number in range(3):
                values = np.random.default_rng([level, number]).integers(0, level, (12, 10, 5)).astype(np.int16)
                image = make(values, np.diag([1.0, 1.0, 2.0, 1.0]))
                nibabel.save(image, folder / side / f"patient-{number}.nii.gz")
        return {"a": str(folder / "a"), "b": str(folder / "b"), "held_out": 0.3, "neighbours": 1}

    def train(self) -> tuple[Slices, Slices]:
        """Return the training slices of both domains."""
        return self._train

    def test(self) -> tuple[Slices, Slices]:
        """Return the test slices of both domains."""
        return self._test

    def _find(self, folder: Path) -> list[Found]:
        found, others = find_volumes(folder)
        if others:
            self.ignored[str(folder)] = describe_kinds(others)
        return found

    def _numbers(self, volume: Found) -> list[int]:
        if not self._empty:
            return list(range(stack_shape(volume.shape, volume.affine, self._cut.axis)[0]))
        return filled_numbers(volume, self._cut, self._empty)

    def _slices(self, volumes: Sequence[Found]) -> Slices:
        return Slices(volumes, [self._numbers(volume) for volume in volumes], self._cut)

    def _test_slices(self, a: Sequence[Found], b: Sequence[Found]) -> tuple[Slices, Slices]:
        if not self.aligned:
            return self._slices(a), self._slices(b)
        kept = []
        for first, second in zip(a, b, strict=True):
            kept.append(sorted({*self._numbers(first)} & {*self._numbers(second)}) or self._numbers(first))
        return Slices(a, kept, self._cut), Slices(b, kept, self._cut)


def _refuse_leaks(a: tuple[list[Found], list[Found]], b: tuple[list[Found], list[Found]]) -> None:
    """Refuse test volumes of patients whose volumes are trained on, if tags or BIDS name the patients.

    Raises:
        DataError: with the name of such a patient.
    """
    train, test = ([volume for split in (a, b) for volume in split[part]] for part in (0, 1))
    trained, tested = ({volume.patient for volume in part if volume.named} for part in (train, test))
    same = {volume.path.resolve() for volume in train} == {volume.path.resolve() for volume in test}
    if (leaked := sorted(trained & tested)) and not same:
        more = f" and {len(leaked) - 1} more" if len(leaked) > 1 else ""
        raise DataError(
            f"volumes of the patient {leaked[0]}{more} are both trained on and tested on",
            hint="move all volumes of a patient to one side, or rename files of different patients",
        )


def _align(
    a: tuple[list[Found], list[Found]], b: tuple[list[Found], list[Found]], axis: Axis
) -> tuple[tuple[list[Found], list[Found]], tuple[list[Found], list[Found]]]:
    """Return the test volumes in pairs of the same name.

    Raises:
        DataError: a volume has no partner, or the volumes of a pair have different voxels.
    """
    by_stem_a, by_stem_b = ({volume.stem: volume for volume in split[1]} for split in (a, b))
    if unpaired := sorted(by_stem_a.keys() ^ by_stem_b.keys()):
        raise DataError(
            f"aligned test volumes need the same names in both folders, but {unpaired[0]} is in only one",
            hint="set aligned = false, or give test_a and test_b",
        )
    stems = sorted(by_stem_a)
    for first, second in ((by_stem_a[stem], by_stem_b[stem]) for stem in stems):
        shapes = [stack_shape(volume.shape, volume.affine, axis) for volume in (first, second)]
        spacings = [stack_spacing(volume.affine, axis) for volume in (first, second)]
        if shapes[0] != shapes[1] or not np.allclose(spacings[0], spacings[1], rtol=1e-3):
            raise DataError(
                f"{first.path} and {second.path} should be aligned, but have different voxels: "
                f"{_describe(shapes[0], spacings[0])} and {_describe(shapes[1], spacings[1])}",
                hint="resample one to the other, for example with nilearn.image.resample_to_img",
            )
    return (a[0], [by_stem_a[stem] for stem in stems]), (b[0], [by_stem_b[stem] for stem in stems])


def _describe(shape: Sequence[int], spacing: Sequence[float]) -> str:
    return f"{shape[0]} slices of {shape[2]}x{shape[1]}, {'x'.join(f'{step:.3g}' for step in spacing[::-1])} mm"


def _check_spacing(volumes: Sequence[Found], axis: Axis) -> None:
    """Refuse volumes whose pixels differ much in size: a model knows shapes at one scale.

    Raises:
        DataError: with the two that differ most.
    """
    for index, what in ((1, "rows"), (2, "columns")):
        ordered = sorted(volumes, key=lambda volume: stack_spacing(volume.affine, axis)[index])
        low, high = (stack_spacing(volume.affine, axis)[index] for volume in (ordered[0], ordered[-1]))
        if high > SIMILAR * low:
            raise DataError(
                f"the {what} of {axis} slices are {low:.3g} mm apart in {ordered[0].path}, "
                f"but {high:.3g} mm in {ordered[-1].path}",
                hint='resample them to one spacing, or set spacing = "any"',
            )
