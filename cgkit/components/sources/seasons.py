"""Painted landscapes with a known ground truth: every scene exists in summer and in winter."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from cgkit.contracts import ImageRecord, Size
from cgkit.demo.palette import Season
from cgkit.demo.scene import paint_scene

EDITION = 2
"""The version of the painter, incremented whenever a change alters the pictures."""

MEMORY = 256 * 2**20
"""Maximum size in bytes of a domain's cache of finished pictures: enough for all pictures at usual training sizes."""

SPLITS = 3
"""Number of splits: training images of a, training images of b, and test images.

Scenes are assigned to the splits in turn, so that enlarging one split leaves the others unchanged.
"""

Images = Annotated[int, Ge(1), Le(300_000)]
Seed = Annotated[int, Ge(0), Le(2**63 - 1)]


class Seasons:
    """Procedural landscapes in summer (a) and winter (b), with a ground truth for testing and nothing to download.

    Args:
        train: number of training images of each domain; no scene is in both domains.
        test: number of test images of each domain; every scene is in both domains.
        seed: the seed from which scenes are generated, independent of the run's seed.
    """

    aligned = True
    names = ("summer", "winter")

    def __init__(self, size: Size, *, train: Images = 600, test: Images = 64, seed: Seed = 0) -> None:
        self._train = Scenes("summer", size, seed, 0, train), Scenes("winter", size, seed, 1, train)
        self._test = Scenes("summer", size, seed, 2, test), Scenes("winter", size, seed, 2, test)

    def train(self) -> tuple[Scenes, Scenes]:
        """Return the training images: some scenes in summer, and different scenes in winter."""
        return self._train

    def test(self) -> tuple[Scenes, Scenes]:
        """Return the test images: unseen scenes in summer, and the same scenes in winter."""
        return self._test


@dataclass(frozen=True)
class Scenes:
    """The scenes of one split, in one season.

    Attributes:
        season: the season in which the scenes are painted.
        size: height and width in pixels.
        seed: the seed from which the scenes are generated.
        split: 0 for the training scenes of domain a, 1 for those of domain b, 2 for the test scenes.
        count: number of scenes.
    """

    season: Season
    size: Size
    seed: int
    split: int
    count: int
    _painted: dict[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> ImageRecord:
        if not 0 <= index < self.count:
            raise IndexError(f"there are {self.count} scenes, so there is no scene {index}")
        number = SPLITS * index + self.split
        return ImageRecord(f"scene-{number:06}", render=partial(self.paint, number))

    def fingerprint(self) -> str:
        """Return a string that changes whenever the pictures change."""
        height, width = self.size
        return f"seasons-{EDITION} {self.season} {height}x{width} seed={self.seed} split={self.split} n={self.count}"

    def paint(self, number: int) -> NDArray[np.float32]:
        """Return the picture of a scene as float32 `(3, height, width)` in [0, 1], rounded to multiples of 1/255."""
        # The cache stores uint8, so a picture is rounded even when it is first read; all reads are then equal.
        pixels = self._painted.get(number)
        if pixels is None:
            picture = paint_scene(self.seed, number, self.size, self.season)
            pixels = (picture * np.float32(255) + np.float32(0.5)).astype(np.uint8)
            if (len(self._painted) + 1) * pixels.nbytes <= MEMORY:
                self._painted[number] = pixels
        return pixels.astype(np.float32) / np.float32(255)

    def __getstate__(self) -> dict[str, Any]:
        # The cache is not sent to worker processes, which paint their own pictures.
        return {**self.__dict__, "_painted": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
