"""Images in shards."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
from annotated_types import Ge, Gt, Le, Lt

from cgkit.contracts import Size
from cgkit.errors import DataError
from cgkit_shards.cache import ShardReader
from cgkit_shards.download import Download
from cgkit_shards.images import ShardedImages
from cgkit_shards.index import read_index
from cgkit_shards.locations import location


class Shards:
    """Images in tar shards with an index, on disk or behind a URL.

    Every image of an epoch is shown once, those of a few shards near each other, so that each shard is read or
    downloaded about once an epoch. The order is a function of the seed and the epoch, so a run resumes exactly,
    wherever it was.

    Args:
        a: the index of domain a, or the folder that it is in: a path or a URL (http, https, or any of fsspec's).
        b: the index of domain b.
        test_a: the index of domain a's test images; without one, a share of the images is held out.
        test_b: the index of domain b's test images.
        held_out: the share of images, the last in the index, that is kept for testing where there are no test
            indices; 0 tests on the training images.
        aligned: whether test images of one name show the same scene, so that translations can be scored.
        shuffle_shards: how many shards' images are shuffled together.
        cache: the folder for downloaded shards; needed where they are remote.
        cache_size: gigabytes (10^9 bytes) that downloaded shards may take.
        timeout: seconds after which a silent http server is an error.
        retries: how often a download is tried again, after 1, 2, 4 ... seconds.
    """

    def __init__(
        self,
        size: Size,
        *,
        a: str | Path,
        b: str | Path,
        test_a: str | Path | None = None,
        test_b: str | Path | None = None,
        held_out: Annotated[float, Ge(0), Lt(1)] = 0.1,
        aligned: bool = False,
        shuffle_shards: Annotated[int, Ge(1), Le(1000)] = 4,
        cache: Path | None = None,
        cache_size: Annotated[float, Gt(0), Le(1e6)] = 20.0,
        timeout: Annotated[float, Gt(0), Le(120)] = 60.0,
        retries: Annotated[int, Ge(0), Le(3)] = 3,
    ) -> None:
        if (test_a is None) != (test_b is None):
            raise ValueError("test_a and test_b belong together: give both, or neither")
        if location(a) == location(b):
            raise DataError(f"{location(a)} is given for both domains")
        self.aligned = aligned
        reader = ShardReader(cache, round(cache_size * 1e9), Download(timeout, retries))

        def images(place: str | Path) -> ShardedImages:
            return ShardedImages(read_index(location(place)), reader, shuffle_shards)

        if test_a is not None and test_b is not None:
            self._train = images(a), images(b)
            self._test = images(test_a), images(test_b)
        else:
            (train_a, rest_a), (train_b, rest_b) = (_split(images(place), held_out) for place in (a, b))
            self._train, self._test = (train_a, train_b), (rest_a, rest_b)
        _check_cache(cache, reader.limit, *self._train, *self._test)
        if aligned:
            self._test = _aligned(*self._test)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Write two tiny sets of shards and return the options that name them."""
        from PIL import Image

        from cgkit_shards.writing import write_shards

        for side, shade in (("a", 60), ("b", 180)):
            (folder / "images" / side).mkdir(parents=True)
            for number in range(6):
                picture = Image.effect_noise((32, 32), 40 + number).point(lambda level, s=shade: (level + s) // 2)
                picture.convert("RGB").save(folder / "images" / side / f"{number}.png")
            write_shards(folder / "images" / side, folder / side, 4000)
        return {"a": str(folder / "a"), "b": str(folder / "b"), "held_out": 0.3}

    def train(self) -> tuple[ShardedImages, ShardedImages]:
        """Return the training images of both domains."""
        return self._train

    def test(self) -> tuple[ShardedImages, ShardedImages]:
        """Return the test images of both domains."""
        return self._test


def _split(images: ShardedImages, share: float) -> tuple[ShardedImages, ShardedImages]:
    """Return what is trained on and what is held out: the last ones, which lie together. Neither side is empty."""
    count = min(round(share * len(images)) or 1, len(images) - 1) if share else 0
    if count == 0:
        return images, images
    indices = np.arange(len(images))
    return images.subset(indices[:-count]), images.subset(indices[-count:])


def _check_cache(cache: Path | None, limit: int, *domains: ShardedImages) -> None:
    """Refuse a cache in which shards would take turns within a window, each to be downloaded over and over."""
    train, tests = domains[:2], domains[2:]
    needed = max(sum(domain.largest_window() for domain in side) for side in (train, tests))
    if needed and cache is None:
        raise ValueError("the shards are remote: set data.cache to a folder for them")
    if needed > limit:
        raise ValueError(
            f"a cache of {limit / 1e9:g} GB is too small: {needed / 1e9:.3g} GB are read at a time;"
            " raise cache_size, or lower shuffle_shards"
        )


def _aligned(test_a: ShardedImages, test_b: ShardedImages) -> tuple[ShardedImages, ShardedImages]:
    """Return the test images in the order of their common names, without suffix.

    Raises:
        DataError: a name stands on one side only.
    """
    places_a, places_b = (
        {str(PurePosixPath(images.name(index)).with_suffix("")): index for index in range(len(images))}
        for images in (test_a, test_b)
    )
    if lonely := sorted(places_a.keys() ^ places_b.keys()):
        raise DataError(
            f"aligned test images have the same names on both sides, but {lonely[0]} stands on one only",
            hint="set aligned = false, or give test_a and test_b",
        )
    stems = sorted(places_a)
    return (
        test_a.subset(np.array([places_a[stem] for stem in stems])),
        test_b.subset(np.array([places_b[stem] for stem in stems])),
    )
