"""Check the training data for too few images and for duplicate files."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

from cgkit.abilities import paths_of
from cgkit.contracts import Domain
from cgkit.data.damage import list_damaged
from cgkit.health.notes import Note
from cgkit.health.observation import Circumstances

SHOWINGS = 1000
"""The number of times that a discriminator may see each image, unaugmented, before its domain counts as data-starved.

This is five times the number in the published recipe: 200 epochs, for data sets as small as 400 images (appendix 7.1).
"""

CONTINUE = "a run continues with --change data"
AUGMENT = 'add [[augmentation]] with name = "diff-augment" (--change augmentation)'
"""Advice against discriminators that memorise images."""

COMPARED = 10_000
"""The maximum number of files that are read whole to find identical ones."""

NAMED = 3
"""The maximum number of files that a message names."""


Files = tuple[Domain, Sequence[int]]
"""The images of a domain, and the sizes of their files in bytes, as an inspection has them."""

_BySize = dict[int, list[str]]


def starved(circumstances: Circumstances) -> list[Note]:
    """Return a note for each domain whose images are shown too often without augmentation (see `SHOWINGS`)."""
    train = circumstances.spec.train
    notes = []
    for side, count in zip("ab", circumstances.images, strict=True):
        showings = circumstances.steps * train.batch * train.accumulate / count
        if showings > SHOWINGS and not circumstances.augmented:
            shown = f"each of the {count} training images of domain {side} is shown {showings:.0f} times"
            message = f"{shown} without augmentation: the discriminator will probably memorise them"
            steps = max(SHOWINGS * count // (train.batch * train.accumulate), 1)
            advice = f"add images (--change data), {AUGMENT}, or set train.steps = {steps}"
            notes.append(Note(0, "data-starved", None, message, advice))
    return notes


def damaged(left_out: Sequence[str], replaced: Sequence[str] = (), step: int = 0) -> list[Note]:
    """Return a note on damaged images that are left out of a run, or that were replaced by others during it.

    Args:
        left_out: what is wrong with each image that is left out.
        replaced: what is wrong with each image that was replaced.
        step: the step of the note.
    """
    parts = [
        f"{len(messages)} damaged {'image is' if len(messages) == 1 else 'images are'} {how}: {list_damaged(messages)}"
        for how, messages in (("left out", left_out), ("replaced by other draws", replaced))
        if messages
    ]
    advice = "repair or remove them, then continue with --change data"
    return [Note(step, "damaged-images", None, ". ".join(parts), advice)] if parts else []


def duplicates(train: tuple[Files, Files], test: tuple[Files, Files]) -> list[Note]:
    """Return notes on identical files in both domains, or in the training and test images of one domain.

    Only files of equal size are read. The two splits of a domain are not compared if they are the same images.
    """
    notes = []
    sizes = [_group_by_size(files) for files in train]
    shared, rest = _find_shared(*sizes)
    if shared:
        message = f"{_list_names(shared)} in both domains{rest}: translation cannot be learned from identical images"
        notes.append(Note(0, "duplicates", None, message, f"remove them from one of the domains; {CONTINUE}"))
    for side, trained, tested, size in zip("ab", train, test, sizes, strict=True):
        if trained[0].fingerprint() == tested[0].fingerprint():
            continue
        shared, rest = _find_shared(size, _group_by_size(tested))
        if shared:
            sets = f"both the training and the test images of domain {side}{rest}"
            message = f"{_list_names(shared)} among {sets}: scores will be too good"
            notes.append(Note(0, "duplicates", None, message, f"remove them from the training images; {CONTINUE}"))
    return notes


def _find_shared(mine: _BySize, others: _BySize) -> tuple[list[str], str]:
    """Return the names of the files in `others` that have the same content as a file in `mine`.

    Of many files, only some are compared; then a remark for messages is returned, too.
    """
    common = sorted(mine.keys() & others.keys(), key=lambda size: hashlib.sha256(b"%d" % size).digest())
    counts = accumulate(len(mine[size]) + len(others[size]) for size in common)
    sizes = [size for size, count in zip(common, counts, strict=True) if count <= COMPARED] or common[:1]
    shared: list[str] = []
    complete = len(sizes) == len(common)
    for size in sizes:
        some, other = (files[size][: COMPARED // 2] for files in (mine, others))
        complete = complete and (len(some), len(other)) == (len(mine[size]), len(others[size]))
        digests = set(map(_hash_file, some))
        shared += [Path(path).name for path in other if _hash_file(path) in digests]
    return sorted(shared), "" if complete else " (not all files were compared)"


def _group_by_size(files: Files) -> _BySize:
    groups: dict[int, list[str]] = defaultdict(list)
    domain, sizes = files
    for path, size in zip(paths_of(domain), sizes, strict=True):
        if path is not None:
            groups[size].append(path)
    return groups


def _hash_file(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - one of perhaps 10,000
        return hashlib.file_digest(file, "sha256").digest()


def _list_names(names: Sequence[str]) -> str:
    """Return the first names, followed by a verb: `a.png is`, or `a.png, b.png and 3 more are`."""
    if len(names) == 1:
        return f"{names[0]} is"
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{', '.join(names[:NAMED])}{more} are"
