"""Painted landscapes with a known ground truth: every scene exists in summer and in winter."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from cgkit.contracts import ImageRecord, ObjectKind, Size
from cgkit.demo import objects as demo_objects
from cgkit.demo.palette import Season
from cgkit.demo.scene import label_scene, paint_scene, seasonal_objects

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
        objects: whether there are cabins in both seasons, tents in summer only, and snowmen in winter only. Each test
            image then has a label that tells what each pixel shows, for the metrics `invented` and `lost`.
    """

    aligned = True
    names = ("summer", "winter")

    def __init__(
        self, size: Size, *, train: Images = 600, test: Images = 64, seed: Seed = 0, objects: bool = False
    ) -> None:
        self.objects: tuple[ObjectKind, ...] = demo_objects.KINDS if objects else ()
        self._train = Scenes("summer", size, seed, 0, train, objects), Scenes("winter", size, seed, 1, train, objects)
        self._test = Scenes("summer", size, seed, 2, test, objects), Scenes("winter", size, seed, 2, test, objects)

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
        objects: whether there are objects on the meadows; test scenes then have labels.
    """

    season: Season
    size: Size
    seed: int
    split: int
    count: int
    objects: bool = False
    _painted: dict[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False, compare=False)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int, /) -> ImageRecord:
        if not 0 <= index < self.count:
            raise IndexError(f"there are {self.count} scenes, so there is no scene {index}")
        number = SPLITS * index + self.split
        name, extras = f"scene-{number:06}", {}
        if self.objects and self.split == SPLITS - 1:
            extras["label"] = ImageRecord(f"{name}-label", render=partial(self.label, number))
        return ImageRecord(name, render=partial(self.paint, number), extras=extras)

    def fingerprint(self) -> str:
        """Return a string that changes whenever the pictures change."""
        height, width = self.size
        objects = f" objects-{demo_objects.EDITION}" if self.objects else ""
        place = f"{height}x{width} seed={self.seed} split={self.split} n={self.count}"
        return f"seasons-{EDITION} {self.season} {place}{objects}"

    def paint(self, number: int) -> NDArray[np.float32]:
        """Return the picture of a scene as float32 `(3, height, width)` in [0, 1], rounded to multiples of 1/255."""
        # The cache stores uint8, so a picture is rounded even when it is first read; all reads are then equal.
        pixels = self._painted.get(number)
        if pixels is None:
            objects = seasonal_objects(self.seed, number, self.season) if self.objects else ()
            picture = paint_scene(self.seed, number, self.size, self.season, objects)
            pixels = (picture * np.float32(255) + np.float32(0.5)).astype(np.uint8)
            if (len(self._painted) + 1) * pixels.nbytes <= MEMORY:
                self._painted[number] = pixels
        return pixels.astype(np.float32) / np.float32(255)

    def label(self, number: int) -> NDArray[np.float32]:
        """Return the number of the object that each pixel shows, as grey `(1, height, width)`: the number by 255."""
        labels: NDArray[np.float32] = label_scene(self.seed, number, self.size, self.season) / np.float32(255)
        return labels

    def __getstate__(self) -> dict[str, Any]:
        # The cache is not sent to worker processes, which paint their own pictures.
        return {**self.__dict__, "_painted": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
