"""The images of one domain, read from shards with the help of an index."""

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
    """Reads the encoded bytes of one image."""

    reader: ShardReader
    url: str
    filesize: int
    name: str
    offset: int
    size: int
    crc32: int

    def __call__(self) -> bytes:
        """Return the bytes of the image file.

        Raises:
            DataError: the shard cannot be read, or the checksum differs from that in the index.
        """
        content = self.reader.read(self.url, self.filesize, self.offset, self.size)
        if zlib.crc32(content) != self.crc32:
            self.reader.discard(self.url, self.filesize)
            raise DataError(
                f"shard {self.url} is damaged: the checksum of {self.name} differs from the index",
                hint="restore the shard, or write a new index with cgkit shards index",
            )
        return content


class ShardedImages:
    """The images of several shards, in the order of the index.

    The columns of the index are stored in arrays, which worker processes share. Millions of Python objects would be
    copied into every worker, because even reading an object changes its reference count.

    Args:
        index: the shards, with absolute URLs.
        reader: reads byte ranges of the shards.
        window: number of shards whose images are shuffled together.
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
        self._checksums = np.array([checksum for shard in shards for checksum in shard.crc32], dtype=np.int64)

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
            int(self._checksums[index]),
        )
        return ImageRecord(name, encoded=image)

    def name(self, index: int) -> str:
        """Return the name of an image."""
        return bytes(self._names[index]).decode()

    def subset(self, indices: NDArray[np.int64]) -> ShardedImages:
        """Return the images at `indices`, in that order."""
        subset = object.__new__(ShardedImages)
        subset.__dict__.update(self.__dict__)
        for column in ("_shard", "_names", "_offsets", "_sizes", "_checksums"):
            setattr(subset, column, getattr(self, column)[indices])
        return subset

    def fingerprint(self) -> str:
        """Return a digest of the images' names, sizes and checksums, independent of the location of the shards."""
        digest = hashlib.sha256()
        for column in (self._names, self._sizes, self._checksums):
            digest.update(f"{column.dtype} ".encode())
            digest.update(np.ascontiguousarray(column).tobytes())
        return digest.hexdigest()

    def order(self, epoch: int, seed: int) -> torch.Tensor:
        """Return the order of an epoch: shuffled shards, with the images of each window of shards shuffled together.

        For given images, the order depends only on the arguments, so that a resumed run can continue within an epoch.
        """
        key = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
        generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "little") >> 1)
        by_shard = np.argsort(self._shard, kind="stable")
        starts = np.searchsorted(self._shard[by_shard], np.unique(self._shard))
        shards = [torch.from_numpy(images) for images in np.split(by_shard, starts[1:])]
        shuffled = [shards[number] for number in torch.randperm(len(shards), generator=generator).tolist()]
        windows = [torch.cat(shuffled[start : start + self._window]) for start in range(0, len(shards), self._window)]
        return torch.cat([images[torch.randperm(len(images), generator=generator)] for images in windows])

    def largest_window(self) -> int:
        """Return the maximum total size in bytes of the remote shards in a window."""
        used = {int(shard) for shard in np.unique(self._shard)}
        sizes = sorted((self._filesizes[shard] for shard in used if is_remote(self._urls[shard])), reverse=True)
        return sum(sizes[: self._window])
