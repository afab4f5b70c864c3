"""Test and training images for evaluation, loaded on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

import torch
from torch import Tensor

from cgkit.contracts import Domain, ImageRecord, Source
from cgkit.data.damage import read_kept
from cgkit.data.preparation import Preparation
from cgkit.images.pixels import PixelFormat


@dataclass(frozen=True)
class Images:
    """The first images of one domain, `(C, H, W)` in [0, 1] at the training size, without random augmentation."""

    domain: Domain
    pixels: PixelFormat
    preparation: Preparation
    limit: int

    def __len__(self) -> int:
        return min(self.limit, len(self.domain))

    def __getitem__(self, indices: slice) -> Tensor:
        """Return a batch `(N, C, H, W)`."""
        read = partial(self.preparation.for_testing, pixels=self.pixels)
        return torch.stack([read_kept(self.domain, index, read) for index in range(*indices.indices(len(self)))])

    def labels(self, indices: slice) -> Tensor:
        """Return the labels of a batch, int64 `(N, 1, H, W)`."""

        def read(record: ImageRecord) -> Tensor:
            return self.preparation.label_for_testing(record)

        return torch.stack([read_kept(self.domain, index, read) for index in range(*indices.indices(len(self)))])

    def batches(self, size: int) -> Iterator[Tensor]:
        """Yield all images in order, in batches of `size`."""
        for start in range(0, len(self), size):
            yield self[start : start + size]


@dataclass(frozen=True)
class MeasuredImages:
    """Test and training images of both domains, up to a maximum number per domain and split.

    Attributes:
        source: the data source.
        pixels: the pixel formats of domains a and b.
        preparations: bring images of domains a and b to the training size.
        count: the maximum number of images per domain and split.
    """

    source: Source
    pixels: tuple[PixelFormat, PixelFormat]
    preparations: tuple[Preparation, Preparation]
    count: int
    _splits: dict[str, tuple[Domain, Domain]] = field(init=False, default_factory=dict)

    @property
    def aligned(self) -> bool:
        """Whether the n-th test images of both domains show the same scene."""
        return bool(self.source.aligned)

    @property
    def channels(self) -> tuple[int, int]:
        """The numbers of channels of domains a and b."""
        return self.pixels[0].channels, self.pixels[1].channels

    @property
    def resize(self) -> str:
        """How images are resized to the training size. Protocols are compared by this text, so it must not change."""
        return " and ".join(dict.fromkeys(preparation.framing_of_tests for preparation in self.preparations))

    @cached_property
    def held_out(self) -> tuple[bool, bool]:
        """For domains a and b, whether the test images differ from the training images."""
        test, train = self.source.test(), self.source.train()
        return test[0].fingerprint() != train[0].fingerprint(), test[1].fingerprint() != train[1].fingerprint()

    def of(self, split: str, side: str) -> Images:
        """Return the images of a split, `test` or `train`, of domain `a` or `b`."""
        if split not in self._splits:
            self._splits[split] = self.source.test() if split == "test" else self.source.train()
        index = "ab".index(side)
        return Images(self._splits[split][index], self.pixels[index], self.preparations[index], self.count)

    @cached_property
    def digest(self) -> str:
        """A hash that identifies the test images."""
        prints = [self.of("test", side).domain.fingerprint() for side in "ab"]
        return hashlib.sha256("\n".join(prints).encode()).hexdigest()[:16]
