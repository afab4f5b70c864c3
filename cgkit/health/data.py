"""What is wrong with the files of both domains, and with how many they are."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from cgkit.contracts import Domain
from cgkit.health.notes import Note
from cgkit.health.observation import Circumstances

SHOWINGS = 1000
"""How often a discriminator may see the same image, unaugmented, before it is said to be starved.

Five times what the paper's recipe shows of each image, 200 epochs; its smallest data set has 400 images (appendix 7.1).
"""

NAMED = 3


def starved(known: Circumstances) -> list[Note]:
    """Note each domain whose images are shown far more often than the published recipe shows any."""
    train = known.spec.train
    notes = []
    for side, count in zip("ab", known.images, strict=True):
        showings = known.steps * train.batch * train.accumulate / count
        if showings > SHOWINGS and not known.augmented:
            message = f"each of the {count} training images of domain {side} is shown {showings:.0f} times"
            enough = SHOWINGS * count // (train.batch * train.accumulate)
            advice = (
                f'add images, or [[augmentation]] with name = "diff-augment", or set train.steps = {max(enough, 1)}: '
                "a discriminator learns so few by heart"
            )
            notes.append(Note(0, "data-starved", None, message, advice))
    return notes


def duplicates(train: tuple[Domain, Domain], test: tuple[Domain, Domain]) -> list[Note]:
    """Note files that are in both domains, or in the training and the test images of one, byte for byte.

    Only files of equal size are read. Where the test images are the training images, that was asked for.
    """
    notes = []
    shared = _in_both(train[0], train[1])
    if shared:
        message = f"{_listed(shared)} in both domains: no translation is to be learned from them"
        notes.append(Note(0, "duplicates", None, message, "take them out of one domain"))
    for side, trained, tested in zip("ab", train, test, strict=True):
        if trained.fingerprint() == tested.fingerprint():
            continue
        shared = _in_both(trained, tested)
        if shared:
            message = f"{_listed(shared)} among the training and the test images of domain {side}: scores are too good"
            notes.append(Note(0, "duplicates", None, message, "take them out of the training images"))
    return notes


def _in_both(one: Domain, other: Domain) -> list[str]:
    """Return the names, in the second domain, of the files that are in the first one as well."""
    sizes: dict[int, list[Path]] = defaultdict(list)
    for path in _files(one):
        sizes[path.stat().st_size].append(path)
    digests: dict[int, set[bytes]] = {}
    found = []
    for path in _files(other):
        size = path.stat().st_size
        if size in sizes:
            if size not in digests:
                digests[size] = {_digest(alike) for alike in sizes[size]}
            if _digest(path) in digests[size]:
                found.append(path.name)
    return found


def _files(domain: Domain) -> Iterator[Path]:
    return (path for index in range(len(domain)) if (path := domain[index].path) is not None)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _listed(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"{names[0]} is"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} are"
