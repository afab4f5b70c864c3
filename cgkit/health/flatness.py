"""Images without contrast: those that are trained on, and those that will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from cgkit.contracts import Domain
from cgkit.data.loading import Preparation
from cgkit.health.measuring import FLAT, contrast
from cgkit.health.notes import Note
from cgkit.images.pixels import PixelFormat

NAMED = 3

LOOKED_AT = 256
"""How many images of a domain are read to see whether they are flat; evenly spread over all."""

FLAT_SHARE = 0.01
LEAST_FLAT = 3
"""How many of the images must be flat, for it is no accident."""


def flat(side: str, seen: int, names: Sequence[str], count: int, step: int = 0) -> Note | None:
    """Return a note of images without contrast, where there are enough of them.

    Args:
        side: the domain.
        seen: how many images were looked at.
        names: what some of the flat ones are called.
        count: how many were flat.
        step: the step after which it is noted.
    """
    if count < max(LEAST_FLAT, FLAT_SHARE * seen):
        return None
    message = (
        f"{count} of {seen} images of domain {side} have next to no contrast, such as {', '.join(names[:NAMED])}: "
        "instance norms blow up their noise and their gradients"
    )
    return Note(step, "near-constant-images", None, message, "take them out, or set train.clip_gradients = 1.0")


def flat_images(side: str, domain: Domain, pixels: PixelFormat, preparation: Preparation) -> Note | None:
    """Read some images of a domain as they are tested on, and note the flat ones."""
    every = -(-len(domain) // LOOKED_AT)
    records = [domain[index] for index in range(0, len(domain), every)]
    names = [one.name for one in records if bool(contrast(preparation.for_testing(one, pixels)[None]) < FLAT)]
    return flat(side, len(records), names, len(names))


class Contrasts:
    """Counts the training images without contrast as they pass by, cropped and augmented as they are trained on."""

    def __init__(self) -> None:
        self._seen = {"a": 0, "b": 0}
        self._flat = {"a": 0, "b": 0}
        self._names: dict[str, list[str]] = {"a": [], "b": []}
        self._noted: list[str] = []

    def take(self, side: str, images: Tensor, names: Sequence[str]) -> None:
        """Take in a batch `(N, C, H, W)` in [-1, 1]; it should not be on a device that one would have to wait for."""
        self._seen[side] += len(images)
        for index in (contrast(images) < 2 * FLAT).nonzero().flatten().tolist():
            self._flat[side] += 1
            if names[index] not in self._names[side] and len(self._names[side]) < NAMED:
                self._names[side].append(names[index])

    def see(self, step: int) -> list[Note]:
        """Return what is new to say after a step."""
        notes = []
        for side in "ab":
            note = flat(side, self._seen[side], self._names[side], self._flat[side], step)
            if note is not None and side not in self._noted:
                self._noted.append(side)
                notes.append(note)
        return notes

    def state(self) -> dict[str, Any]:
        """Return what `load` takes, as JSON values."""
        return {"seen": self._seen, "flat": self._flat, "names": self._names, "noted": self._noted}

    def load(self, state: Mapping[str, Any]) -> None:
        """Know again what was known when a checkpoint was saved."""
        self._seen, self._flat, self._names, self._noted = (state[key] for key in ("seen", "flat", "names", "noted"))
