"""A folder of shards that were downloaded, of bounded size, shared by any number of processes.

A shard is downloaded beside its place and moved there when it is whole. Before that, room is made: those that were
read the longest ago go. A process that is killed leaves at most a part, which the next one removes.
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
from cgkit_shards.download import Download, check_size, written_in
from cgkit_shards.locations import is_remote, reason

_PAUSE = 0.05


@dataclass(frozen=True)
class ShardReader:
    """Reads stretches of shards: local ones where they lie, remote ones through a cache.

    Attributes:
        folder: where downloaded shards are kept; None where all are local.
        limit: how many bytes they may take together.
        download: fetches them.
    """

    folder: Path | None = None
    limit: int = 0
    download: Download = field(default_factory=Download)

    def read(self, url: str, filesize: int, offset: int, size: int) -> bytes:
        """Return a stretch of a shard.

        Raises:
            DataError: the shard cannot be read, or has another size than the index says.
            ResourceError: the cache cannot be written in.
        """
        if not is_remote(url):
            return self._stretch_of_file(Path(url), url, filesize, offset, size)
        place = self._place(url, filesize)
        try:
            content = self._stretch_of_file(place, url, filesize, offset, size)
        except FileNotFoundError:
            return self._download(url, place, filesize, offset, size)
        with suppress(FileNotFoundError):  # another process may have removed it meanwhile
            os.utime(place)  # it was read just now: the last to go
        return content

    def forget(self, url: str, filesize: int) -> None:
        """Remove the copy of a remote shard, so that it is downloaded again."""
        if is_remote(url):
            self._place(url, filesize).unlink(missing_ok=True)

    def _stretch_of_file(self, file: Path, url: str, filesize: int, offset: int, size: int) -> bytes:
        # Opened anew each time: what is held open takes room on the disk even after it was removed.
        try:
            with file.open("rb") as stream:
                return _stretch(stream, url, filesize, offset, size)
        except FileNotFoundError:
            if is_remote(url):
                raise
            raise DataError(f"shard {url} does not exist") from None
        except OSError as error:
            raise DataError(f"shard {url} cannot be read: {reason(error)}") from error

    def _place(self, url: str, filesize: int) -> Path:
        if self.folder is None:
            raise DataError(f"shard {url} is remote, and there is no cache for it", hint="set data.cache to a folder")
        return self.folder / f"{hashlib.sha256(f'{filesize} {url}'.encode()).hexdigest()[:32]}.tar"

    def _download(self, url: str, place: Path, filesize: int, offset: int, size: int) -> bytes:
        """Download a shard, or wait for who is doing so, and return a stretch of it."""
        if filesize > self.limit:
            raise DataError(f"shard {url} has {filesize / 1e9:.3g} GB, the cache may take {self.limit / 1e9:.3g}")
        with written_in(place.parent):
            place.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(place.with_suffix(".lock")):
                with suppress(FileNotFoundError):
                    return self._stretch_of_file(place, url, filesize, offset, size)
                part = place.with_suffix(".part")
                try:
                    self._make_room(part, filesize)
                    with part.open("r+b") as stream:
                        self.download.fetch(url, stream, filesize)
                        with _room_of(place.parent):
                            part.replace(place)
                        # From what is still open: another may need the room before this process has read anything.
                        return _stretch(stream, url, filesize, offset, size)
                finally:
                    part.unlink(missing_ok=True)

    def _make_room(self, part: Path, filesize: int) -> None:
        """Reserve a shard's bytes as a part of that length, once enough of the others are gone."""
        while True:
            with _room_of(part.parent):
                part.unlink(missing_ok=True)  # of a process that was killed
                used = self._evict(part, self.limit - filesize)
                if used + filesize <= self.limit:
                    with part.open("wb") as stream:
                        stream.truncate(filesize)
                    return
            time.sleep(_PAUSE)  # all the rest is being downloaded by others, who do not wait for this process

    def _evict(self, own: Path, limit: int) -> int:
        """Remove abandoned parts, then shards, until at most `limit` bytes are left; return how many are."""
        _remove_abandoned(own)
        kept = []
        for file in own.parent.iterdir():
            if file.suffix in (".tar", ".part"):
                with suppress(FileNotFoundError):  # a part whose download has failed just now
                    status = file.stat()
                    kept.append((status.st_mtime_ns, status.st_size, file))
        used = sum(size for _, size, _ in kept)
        for _, size, file in sorted(kept):
            if used > limit and file.suffix == ".tar":
                file.unlink(missing_ok=True)
                used -= size
        return used


def _room_of(folder: Path) -> FileLock:
    """Return the lock under which shards come and go; it is held for an instant only."""
    return FileLock(folder / "room.lock")


def _remove_abandoned(own: Path) -> None:
    """Remove the parts of processes that are gone: their locks are free."""
    for part in own.parent.glob("*.part"):
        if part == own:
            continue
        with suppress(Timeout), FileLock(part.with_suffix(".lock"), timeout=0):
            part.unlink(missing_ok=True)


def _stretch(stream: BinaryIO, url: str, filesize: int, offset: int, size: int) -> bytes:
    check_size(url, filesize, os.fstat(stream.fileno()).st_size)
    stream.seek(offset)
    return stream.read(size)
