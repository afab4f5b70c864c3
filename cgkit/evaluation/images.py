"""The images that translations are measured on, read as they are needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from cgkit.contracts import Domain, Source
from cgkit.data.loading import Preparation
from cgkit.images.pixels import PixelFormat


@dataclass(frozen=True)
class Images:
    """The first images of one domain, `(C, H, W)` in [0, 1] at the trained size, without any randomness."""

    domain: Domain
    pixels: PixelFormat
    preparation: Preparation
    most: int

    def __len__(self) -> int:
        return min(self.most, len(self.domain))

    def __getitem__(self, places: slice) -> Tensor:
        """Return a batch `(N, C, H, W)`."""
        records = [self.domain[index] for index in range(*places.indices(len(self)))]
        return torch.stack([self.preparation.for_testing(record, self.pixels) for record in records])

    def batches(self, size: int) -> Iterator[Tensor]:
        """Yield all of them, in order."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


@dataclass(frozen=True)
class MeasuredImages:
    """Both domains' images, by split and side, up to a count of each.

    Attributes:
        source: where they come from.
        pixels: what the images of domain a and b are like.
        preparation: how they are read.
        count: how many of each are used, where there are as many.
    """

    source: Source
    pixels: tuple[PixelFormat, PixelFormat]
    preparation: Preparation
    count: int
    _splits: dict[str, tuple[Domain, Domain]] = field(init=False, default_factory=dict)

    @property
    def aligned(self) -> bool:
        """Whether the n-th test images of both domains show the same scene."""
        return bool(self.source.aligned)

    @property
    def channels(self) -> tuple[int, int]:
        """Of domain a and b."""
        return self.pixels[0].channels, self.pixels[1].channels

    @property
    def resize(self) -> str:
        """How images come to the trained size, in words."""
        return "bicubic, antialiased, covering the size, cut at the centre"

    @cached_property
    def held_out(self) -> tuple[bool, bool]:
        """Whether the test images of either side are others than its training images."""
        test, train = self.source.test(), self.source.train()
        return test[0].fingerprint() != train[0].fingerprint(), test[1].fingerprint() != train[1].fingerprint()

    def of(self, split: str, side: str) -> Images:
        """Return the images of the split `test` or `train` and of side `a` or `b`."""
        if split not in self._splits:
            self._splits[split] = self.source.test() if split == "test" else self.source.train()
        number = "ab".index(side)
        return Images(self._splits[split][number], self.pixels[number], self.preparation, self.count)

    @cached_property
    def digest(self) -> str:
        """A text that differs where the test images differ."""
        prints = [self.of("test", side).domain.fingerprint() for side in "ab"]
        return hashlib.sha256("\n".join(prints).encode()).hexdigest()[:16]
