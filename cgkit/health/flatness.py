"""Detect images with almost no contrast, before and during training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from cgkit.contracts import Domain
from cgkit.data.damage import read_kept
from cgkit.data.preparation import Preparation
from cgkit.health.measuring import FLAT, contrast
from cgkit.health.notes import Note
from cgkit.images.pixels import PixelFormat

NAMED = 3
"""The maximum number of images that a message names."""

SAMPLE_SIZE = 256
"""The maximum number of images per domain that are read before training; these are evenly spaced."""

MIN_FLAT_SHARE = 0.01
MIN_FLAT = 3
"""Flat images are reported if at least this fraction and at least this number are flat; fewer may be accidental."""


def flat_images(side: str, domain: Domain, pixels: PixelFormat, preparation: Preparation) -> Note | None:
    """Measure a sample of a domain, prepared like test images; return a note if too many images are flat."""
    every = -(-len(domain) // SAMPLE_SIZE)
    read = partial(preparation.for_testing, pixels=pixels)
    numbers = range(0, len(domain), every)
    names = [domain[number].name for number in numbers if bool(contrast(read_kept(domain, number, read)[None]) < FLAT)]
    return _note_flat_images(side, len(numbers), names, len(names))


class Contrasts:
    """Counts flat training images during training, after cropping and augmentation."""

    def __init__(self) -> None:
        self._seen = {"a": 0, "b": 0}
        self._flat = {"a": 0, "b": 0}
        self._names: dict[str, list[str]] = {"a": [], "b": []}
        self._noted: list[str] = []

    def take(self, side: str, images: Tensor, names: Sequence[str]) -> None:
        """Count the flat images of a CPU batch `(N, C, H, W)` in [-1, 1]; counting on a GPU would stall the host."""
        self._seen[side] += len(images)
        for index in (contrast(images) < 2 * FLAT).nonzero().flatten().tolist():
            self._flat[side] += 1
            if names[index] not in self._names[side] and len(self._names[side]) < NAMED:
                self._names[side].append(names[index])

    def see(self, step: int) -> list[Note]:
        """Return a note for each domain in which too many flat images have been counted, but only once per domain."""
        notes = []
        for side in "ab":
            note = _note_flat_images(side, self._seen[side], self._names[side], self._flat[side], step)
            if note is not None and side not in self._noted:
                self._noted.append(side)
                notes.append(note)
        return notes

    def state(self) -> dict[str, Any]:
        """Return the state to save in a checkpoint, as JSON values."""
        return {"seen": self._seen, "flat": self._flat, "names": self._names, "noted": self._noted}

    def load(self, state: Mapping[str, Any]) -> None:
        """Restore the state saved in a checkpoint."""
        self._seen, self._flat, self._names, self._noted = (state[key] for key in ("seen", "flat", "names", "noted"))


def _note_flat_images(side: str, seen: int, names: Sequence[str], count: int, step: int = 0) -> Note | None:
    """Return a note if too many images are flat: `count` of `seen`; `names` names some of the flat images."""
    if count < max(MIN_FLAT, MIN_FLAT_SHARE * seen):
        return None
    message = (
        f"{count} of {seen} images of domain {side} have almost no contrast, such as {', '.join(names[:NAMED])}: "
        "instance normalisation amplifies their noise and their gradients"
    )
    advice = "remove them (--change data), or set train.clip_gradients = 1.0 (--change train.clip_gradients)"
    return Note(step, "near-constant-images", None, message, advice)
