"""The images of one domain, by index, wherever their shards are."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cgkit.contracts import ImageRecord
from cgkit.errors import DataError
from cgkit_shards.cache import ShardReader
from cgkit_shards.index import Index
from cgkit_shards.locations import is_remote


@dataclass(frozen=True)
class ImageInShard:
    """Fetches the bytes of one image."""

    reader: ShardReader
    url: str
    filesize: int
    name: str
    offset: int
    size: int
    crc32: int

    def __call__(self) -> bytes:
        """Return the bytes of the image's file.

        Raises:
            DataError: the shard cannot be read, or holds something else there than the index says.
        """
        content = self.reader.read(self.url, self.filesize, self.offset, self.size)
        if zlib.crc32(content) != self.crc32:
            self.reader.forget(self.url, self.filesize)
            raise DataError(
                f"shard {self.url} is damaged: {self.name} is not what the index says",
                hint="mend it, or write a new index with cgkit shards index",
            )
        return content


class ShardedImages:
    """The images of some shards, in the order of the index.

    What is known of them lies in arrays, which worker processes share, and not in millions of objects, of which each
    would soon have its own copies.

    Args:
        index: the shards, with whole URLs.
        reader: reads them.
        window: how many shards' images are shuffled together.
    """

    def __init__(self, index: Index, reader: ShardReader, window: int) -> None:
        shards = index.shardlist
        self._reader = reader
        self._window = window
        self._urls = [shard.url for shard in shards]
        self._filesizes = [shard.filesize for shard in shards]
        self._shard = np.repeat(np.arange(len(shards)), [shard.nsamples for shard in shards])
        self._names = np.array([name.encode() for shard in shards for name in shard.names], dtype=np.bytes_)
        self._offsets = np.array([offset for shard in shards for offset in shard.offsets], dtype=np.int64)
        self._sizes = np.array([size for shard in shards for size in shard.sizes], dtype=np.int64)
        self._checks = np.array([check for shard in shards for check in shard.crc32], dtype=np.int64)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> ImageRecord:
        shard, name = int(self._shard[index]), self.name(index)
        image = ImageInShard(
            self._reader,
            self._urls[shard],
            self._filesizes[shard],
            name,
            int(self._offsets[index]),
            int(self._sizes[index]),
            int(self._checks[index]),
        )
        return ImageRecord(name, encoded=image)

    def name(self, index: int) -> str:
        """Return what an image is called."""
        return bytes(self._names[index]).decode()

    def subset(self, indices: NDArray[np.int64]) -> ShardedImages:
        """Return some of the images, in the order given."""
        subset = object.__new__(ShardedImages)
        subset.__dict__.update(self.__dict__)
        for column in ("_shard", "_names", "_offsets", "_sizes", "_checks"):
            setattr(subset, column, getattr(self, column)[indices])
        return subset

    def fingerprint(self) -> str:
        """Return a digest of the names, sizes and checksums, wherever the shards are."""
        digest = hashlib.sha256()
        for column in (self._names, self._sizes, self._checks):
            digest.update(f"{column.dtype} ".encode())
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def order(self, epoch: int, seed: int) -> torch.Tensor:
        """Return the order of an epoch: the shards shuffled, then the images of every few shards together.

        A function of the arguments alone, so that a resumed run knows where it was.
        """
        key = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1)
        by_shard = np.argsort(self._shard, kind="stable")
        first_of_each = np.searchsorted(self._shard[by_shard], np.unique(self._shard))
        shards = [torch.from_numpy(images) for images in np.split(by_shard, first_of_each[1:])]
        shuffled = [shards[number] for number in torch.randperm(len(shards), generator=generator).tolist()]
        windows = [torch.cat(shuffled[start : start + self._window]) for start in range(0, len(shards), self._window)]
        return torch.cat([images[torch.randperm(len(images), generator=generator)] for images in windows])

    def largest_window(self) -> int:
        """Return the most bytes that the remote shards of one window take."""
        used = {int(shard) for shard in np.unique(self._shard)}
        sizes = sorted((self._filesizes[shard] for shard in used if is_remote(self._urls[shard])), reverse=True)
        return sum(sizes[: self._window])
