"""Hold out patients: all their volumes, in both domains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cgkit.errors import DataError
from cgkit.files.holding_out import hold_out as choose
from cgkit_medical.finding import Found

Split = tuple[list[Found], list[Found]]
"""Training volumes and test volumes."""


def hold_out(a: Sequence[Found], b: Sequence[Found], share: float, folders: tuple[Path, Path]) -> tuple[Split, Split]:
    """Hold out a share of the patients for testing, by the digests of their names.

    A patient of whom both domains have volumes is held out in both, or in none. If the share is 0, the training volumes
    are also the test volumes.

    Raises:
        DataError: a domain has only one patient.
    """
    if share == 0:
        return (list(a), list(a)), (list(b), list(b))
    patients_a, patients_b = ({volume.patient for volume in volumes} for volumes in (a, b))
    for patients, folder in zip((patients_a, patients_b), folders, strict=True):
        if len(patients) < 2:
            raise DataError(
                f"{folder} has only one patient, {next(iter(patients))}, who cannot be both trained on and held out",
                hint="give test_a and test_b, or set held_out = 0 to test on the training volumes",
            )
    chosen = choose(patients_a, patients_b, share)
    return _split(a, chosen), _split(b, chosen)


def _split(volumes: Sequence[Found], held_out: set[str]) -> Split:
    train = [volume for volume in volumes if volume.patient not in held_out]
    return train, [volume for volume in volumes if volume.patient in held_out]
