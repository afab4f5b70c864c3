"""The source of images in shards."""

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
from cgkit_shards.locations import parse_location


class Shards:
    """Images in tar shards with an index, on disk or behind a URL.

    Every image is shown once per epoch. The images of a few shards at a time are shuffled together, so that each shard
    is read or downloaded about once per epoch. The order is a function of the seed and the epoch, so a run resumes
    exactly from any step.

    Args:
        a: path or URL (http, https or any scheme of fsspec) of the index of domain a, or of its folder.
        b: path or URL of the index of domain b, like `a`.
        test_a: index of the test images of domain a; without it, a fraction of the images in `a` is held out.
        test_b: index of the test images of domain b; required if `test_a` is given.
        held_out: fraction of the images to hold out for testing, from the end of the index, if there are no test
            indices; if it is 0, the training images are also the test images.
        aligned: whether test images with the same name show the same scene, which serves as the ground truth.
        shuffle_shards: number of shards whose images are shuffled together.
        cache: folder for downloaded shards; required for remote shards.
        cache_size: size limit of the cache in gigabytes (10^9 bytes).
        timeout: seconds to wait for data from an HTTP server before a read fails.
        retries: number of times that a failed download is retried, after 1, 2 and 4 seconds.
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
            raise ValueError("test_a and test_b belong together: give both or neither")
        if parse_location(a) == parse_location(b):
            raise DataError(f"{parse_location(a)} is given for both domains")
        self.aligned = aligned
        reader = ShardReader(cache, round(cache_size * 1e9), Download(timeout, retries))

        def images(location: str | Path) -> ShardedImages:
            return ShardedImages(read_index(parse_location(location)), reader, shuffle_shards)

        if test_a is not None and test_b is not None:
            self._train = images(a), images(b)
            self._test = images(test_a), images(test_b)
        else:
            (train_a, rest_a), (train_b, rest_b) = (_split(images(location), held_out) for location in (a, b))
            self._train, self._test = (train_a, train_b), (rest_a, rest_b)
        _check_cache(cache, reader.limit, *self._train, *self._test)
        if aligned:
            self._test = _align(*self._test)

    @staticmethod
    def example(folder: Path) -> dict[str, Any]:
        """Write two tiny sets of shards and return options that refer to them."""
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
    """Return the training images and a fraction `share` of held-out images, the last of the index.

    If `share` is 0, both parts contain all images.
    """
    count = min(round(share * len(images)) or 1, len(images) - 1) if share else 0
    if count == 0:
        return images, images
    indices = np.arange(len(images))
    return images.subset(indices[:-count]), images.subset(indices[-count:])


def _check_cache(cache: Path | None, limit: int, *domains: ShardedImages) -> None:
    """Reject a cache that cannot hold a window of shards: each shard would be downloaded again and again."""
    splits = domains[:2], domains[2:]
    needed = max(sum(domain.largest_window() for domain in split) for split in splits)
    if needed and cache is None:
        raise ValueError("the shards are remote: set data.cache to a folder")
    if needed > limit:
        raise ValueError(
            f"a cache of {limit / 1e9:g} GB is too small for the {needed / 1e9:.3g} GB of shards read together;"
            " raise cache_size or lower shuffle_shards"
        )


def _align(test_a: ShardedImages, test_b: ShardedImages) -> tuple[ShardedImages, ShardedImages]:
    """Return the test images sorted by name without suffix, so that the images of a pair have the same index.

    Raises:
        DataError: a name occurs in only one domain.
    """
    indices_a, indices_b = (
        {str(PurePosixPath(images.name(index)).with_suffix("")): index for index in range(len(images))}
        for images in (test_a, test_b)
    )
    if unpaired := sorted(indices_a.keys() ^ indices_b.keys()):
        raise DataError(
            f"aligned test images must have the same names in both domains, but {unpaired[0]} occurs in only one",
            hint="set aligned = false, or give test_a and test_b",
        )
    stems = sorted(indices_a)
    return (
        test_a.subset(np.array([indices_a[stem] for stem in stems])),
        test_b.subset(np.array([indices_b[stem] for stem in stems])),
    )
