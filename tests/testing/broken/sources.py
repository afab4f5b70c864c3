"""Sources that keep or break their contract."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cgkit.contracts import ImageRecord, ObjectKind
from tests.testing.broken.registry import COUNT, breaks, breaks_only, good


@dataclass(frozen=True)
class Grey:
    """Renders an image of one grey level, or of a different one each time."""

    level: float | None
    dtype: type[np.floating] = np.float32

    def __call__(self) -> np.ndarray:
        level = (next(COUNT) % 997) / 1000 if self.level is None else self.level
        return np.full((3, 8, 8), level, dtype=self.dtype)


class Greys:
    """A domain of grey images, as its source defines them."""

    def __init__(self, source: Source, start: float, count: int) -> None:
        self.source, self.start, self.count = source, start, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> ImageRecord:
        return self.source.record(index, self.start + index / 10)

    def fingerprint(self) -> str:
        return self.source.fingerprint(self)

    def order(self, epoch: int, seed: int) -> list[int]:
        return self.source.order(self.count, epoch, seed)


@good("sources")
class Source:
    """Grey images."""

    aligned = True

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def train(self) -> tuple[Greys, Greys]:
        return Greys(self, 0.0, 4), Greys(self, 0.5, 3)

    def test(self) -> tuple[Greys, Greys]:
        return Greys(self, 0.1, 2), Greys(self, 0.6, 2)

    def record(self, index: int, level: float) -> ImageRecord:
        return ImageRecord(f"grey-{index}", render=Grey(level))

    def fingerprint(self, domain: Greys) -> str:
        return f"{domain.start} {domain.count}"

    def order(self, count: int, epoch: int, seed: int) -> list[int]:
        return [(index + epoch + seed) % count for index in range(count)]


@breaks_only("sources", "domains-hold-images-with-names-of-their-own")
class SameNames(Source):
    """Gives all images the same name."""

    def record(self, index: int, level: float) -> ImageRecord:
        return super().record(0, level)


@breaks("sources", "domains-hold-images-with-names-of-their-own")
class EmptyDomain(Source):
    """Has an empty domain."""

    def train(self) -> tuple[Greys, Greys]:
        return Greys(self, 0.0, 0), Greys(self, 0.5, 3)


@breaks("sources", "domains-hold-images-with-names-of-their-own")
class OneDomain(Source):
    """Has only one domain in its test split."""

    def test(self) -> tuple[Greys]:  # type: ignore[override]
        return (Greys(self, 0.1, 2),)


@breaks_only("sources", "records-hold-one-image")
class TwoContents(Source):
    """Gives both bytes and a render function."""

    def record(self, index: int, level: float) -> ImageRecord:
        return replace(super().record(index, level), encoded=bytes)


@breaks("sources", "records-hold-one-image")
class RendersFloat64(Source):
    """Renders float64."""

    def record(self, index: int, level: float) -> ImageRecord:
        return ImageRecord(f"grey-{index}", render=Grey(0.5, np.float64))


@breaks("sources", "records-hold-one-image")
class RendersAboveOne(Source):
    """Renders values above 1."""

    def record(self, index: int, level: float) -> ImageRecord:
        return super().record(index, level + 1.5)


@breaks_only("sources", "records-do-not-change")
class ChangingImages(Source):
    """Renders a different image each time."""

    def record(self, index: int, level: float) -> ImageRecord:
        return ImageRecord(f"grey-{index}", render=Grey(None))


@breaks_only("sources", "fingerprints-tell-domains-apart")
class SameFingerprints(Source):
    """Gives all domains the same fingerprint."""

    def fingerprint(self, domain: Greys) -> str:
        return "the same"


@breaks_only("sources", "known-objects-have-labels")
class WithoutLabels(Source):
    """Knows objects, but labels no pixel."""

    objects = (ObjectKind("ball", (1, 0, 0), "ab", range(1, 3)),)


@breaks("sources", "known-objects-have-labels")
class UnknownNumbers(WithoutLabels):
    """Labels pixels with a number that no object has."""

    def record(self, index: int, level: float) -> ImageRecord:
        extras = {"label": ImageRecord(f"grey-{index}-label", render=Grey(9 / 255))}
        return replace(super().record(index, level), extras=extras)


@breaks_only("sources", "an-order-of-its-own-is-a-permutation")
class IncompleteOrder(Source):
    """Repeats one image in its order."""

    def order(self, count: int, epoch: int, seed: int) -> list[int]:
        return [0] * count


@breaks("sources", "an-order-of-its-own-is-a-permutation")
class ChangingOrder(Source):
    """Has a different order each time."""

    def order(self, count: int, epoch: int, seed: int) -> list[int]:
        return super().order(count, next(COUNT), seed)


class GreyFiles(Greys):
    """Has a path for each image."""

    def paths(self) -> list[str]:
        return [f"grey-{index}.png" for index in range(self.count)]


@breaks_only("sources", "its-paths-are-those-of-its-records")
class WrongPaths(Source):
    """Has paths, although its images are not files."""

    def train(self) -> tuple[Greys, Greys]:
        return GreyFiles(self, 0.0, 4), GreyFiles(self, 0.5, 3)


@breaks_only("sources", "aligned-tests-are-of-equal-length")
class UnequalTests(Source):
    """Declares that its test images are aligned, but has more in one domain."""

    def test(self) -> tuple[Greys, Greys]:
        return Greys(self, 0.1, 2), Greys(self, 0.6, 3)


@breaks("sources", "aligned-tests-are-of-equal-length")
class UnclearAlignment(Source):
    """Has a string instead of a boolean."""

    aligned = "perhaps"  # type: ignore[assignment]
