"""A domain of pictures that are drawn when they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgkit.contracts import ImageRecord


@dataclass(frozen=True)
class Pictures:
    """Pictures of one domain.

    Attributes:
        draw: draws the picture of a place, a character or a slice; it must be picklable.
        parts: what each picture shows, the argument of `draw`.
        names: the name of each picture.
        facts: a text that changes whenever a picture does, such as the checksum of a file.
    """

    draw: Callable[[Any], NDArray[np.float32]]
    parts: tuple[Any, ...]
    names: tuple[str, ...]
    facts: str

    def __len__(self) -> int:
        return len(self.parts)

    def __getitem__(self, index: int, /) -> ImageRecord:
        return ImageRecord(self.names[index], render=partial(self.draw, self.parts[index]))

    def fingerprint(self) -> str:
        """Return a string that changes whenever the pictures change."""
        return f"{self.facts} {' '.join(self.names)}"
