"""A cache folder for downloaded shards, limited in size and shared by any number of processes.

A shard is downloaded to a temporary `.part` file, which is renamed once complete. Before the download, the least
recently read shards are removed to make room. A killed process leaves at most a partial file, which the next download
removes.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock, Timeout

from cgkit.errors import DataError
from cgkit_shards.download import Download, check_size, writing_to
from cgkit_shards.locations import describe_error, is_remote

_PAUSE = 0.05


@dataclass(frozen=True)
class ShardReader:
    """Reads byte ranges of shards: of local shards directly, of remote shards through a cache.

    Attributes:
        folder: the cache folder; None if all shards are local.
        limit: maximum size of the cache in bytes.
        download: downloads remote shards.
    """

    folder: Path | None = None
    limit: int = 0
    download: Download = field(default_factory=Download)

    def read(self, url: str, filesize: int, offset: int, size: int) -> bytes:
        """Return the `size` bytes at `offset` of a shard, downloading the shard if necessary.

        Raises:
            DataError: the shard cannot be read, or its size differs from that in the index.
            ResourceError: the cache cannot be written.
        """
        if not is_remote(url):
            return self._read_file(Path(url), url, filesize, offset, size)
        file = self._cache_file(url, filesize)
        try:
            content = self._read_file(file, url, filesize, offset, size)
        except FileNotFoundError:
            return self._download(url, file, filesize, offset, size)
        # Mark the shard as the most recently read, unless another process has just removed it.
        with suppress(FileNotFoundError):
            os.utime(file)
        return content

    def discard(self, url: str, filesize: int) -> None:
        """Remove a remote shard from the cache, so that it is downloaded again."""
        if is_remote(url):
            self._cache_file(url, filesize).unlink(missing_ok=True)

    def _read_file(self, file: Path, url: str, filesize: int, offset: int, size: int) -> bytes:
        # The file is opened for each read, because an open file occupies disk space even after its removal.
        try:
            with file.open("rb") as stream:
                return _read_range(stream, url, filesize, offset, size)
        except FileNotFoundError:
            if is_remote(url):
                raise
            raise DataError(f"shard {url} does not exist") from None
        except OSError as error:
            raise DataError(f"shard {url} cannot be read: {describe_error(error)}") from error

    def _cache_file(self, url: str, filesize: int) -> Path:
        if self.folder is None:
            raise DataError(f"shard {url} is remote, but there is no cache", hint="set data.cache to a folder")
        return self.folder / f"{hashlib.sha256(f'{filesize} {url}'.encode()).hexdigest()[:32]}.tar"

    def _download(self, url: str, file: Path, filesize: int, offset: int, size: int) -> bytes:
        """Download a shard, or wait for another process that is downloading it, and return a byte range of it."""
        if filesize > self.limit:
            sizes = f"({filesize / 1e9:.3g} GB) is larger than the cache ({self.limit / 1e9:.3g} GB)"
            raise DataError(f"shard {url} {sizes}")
        with writing_to(file.parent):
            file.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(file.with_suffix(".lock")):
                with suppress(FileNotFoundError):
                    return self._read_file(file, url, filesize, offset, size)
                part = file.with_suffix(".part")
                try:
                    self._make_room(part, filesize)
                    with part.open("r+b") as stream:
                        self.download.fetch(url, stream, filesize)
                        with _folder_lock(file.parent):
                            part.replace(file)
                        # Read from the open file, because another process may evict the shard at any time.
                        return _read_range(stream, url, filesize, offset, size)
                finally:
                    part.unlink(missing_ok=True)

    def _make_room(self, part: Path, filesize: int) -> None:
        """Evict shards until the new shard fits, and reserve its space with a partial file of the same size."""
        while True:
            with _folder_lock(part.parent):
                part.unlink(missing_ok=True)  # a killed process may have left one
                used = self._evict(part, self.limit - filesize)
                if used + filesize <= self.limit:
                    with part.open("wb") as stream:
                        stream.truncate(filesize)
                    return
            # Downloads of other processes occupy the remaining space. They never wait for this download, so they end.
            time.sleep(_PAUSE)

    def _evict(self, part: Path, limit: int) -> int:
        """Reduce the bytes in use to at most `limit` if possible, and return how many are in use.

        Abandoned partial files are removed first, then the least recently read shards.
        """
        _remove_abandoned(part)
        files = []
        for file in part.parent.iterdir():
            if file.suffix in (".tar", ".part"):
                with suppress(FileNotFoundError):  # another process may just have removed it
                    status = file.stat()
                    files.append((status.st_mtime_ns, status.st_size, file))
        used = sum(size for _, size, _ in files)
        for _, size, file in sorted(files):
            if used > limit and file.suffix == ".tar":
                file.unlink(missing_ok=True)
                used -= size
        return used


def _folder_lock(folder: Path) -> FileLock:
    """Return the lock to hold, only briefly, while adding or removing shards."""
    return FileLock(folder / "room.lock")


def _remove_abandoned(own: Path) -> None:
    """Remove partial files whose locks are free, because the processes that wrote them were killed."""
    for part in own.parent.glob("*.part"):
        if part == own:
            continue
        with suppress(Timeout), FileLock(part.with_suffix(".lock"), timeout=0):
            part.unlink(missing_ok=True)


def _read_range(stream: BinaryIO, url: str, filesize: int, offset: int, size: int) -> bytes:
    check_size(url, filesize, os.fstat(stream.fileno()).st_size)
    stream.seek(offset)
    return stream.read(size)
