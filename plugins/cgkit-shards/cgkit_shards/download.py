"""Downloads of whole shards, with retries."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlsplit

from cgkit.errors import DataError, ResourceError
from cgkit_shards.locations import describe_error, open_location

_BLOCK = 1 << 20
_RETRIABLE_CODES = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Download:
    """Downloads whole shards and retries if a download fails.

    Attributes:
        timeout: seconds to wait for data from an HTTP server before a read fails.
        retries: number of times that a failed download is retried, after 1, 2, 4 ... seconds.
    """

    timeout: float = 60.0
    retries: int = 3
    _failed_servers: set[str] = field(default_factory=set, compare=False)
    """Servers that failed after all retries. Their other shards are tried only once, since a batch may need many."""

    def fetch(self, url: str, stream: BinaryIO, filesize: int) -> None:
        """Download a shard and write it to a stream.

        Raises:
            DataError: the shard cannot be downloaded, or its size differs from that in the index.
            ResourceError: the stream cannot be written.
        """
        server = urlsplit(url).netloc
        retries = 0 if server in self._failed_servers else self.retries
        for attempt in range(retries + 1):
            try:
                self._copy(url, stream, filesize)
                return
            except (DataError, ResourceError):
                raise
            except Exception as error:  # fsspec's file systems may raise exceptions of any type
                permanent = isinstance(error, HTTPError) and error.code not in _RETRIABLE_CODES
                if permanent or attempt == retries:
                    if not permanent:
                        self._failed_servers.add(server)
                    tries = f" (tried {attempt + 1} times)" if attempt else ""
                    raise DataError(f"shard {url} cannot be downloaded: {describe_error(error)}{tries}") from error
                time.sleep(2**attempt)

    def _copy(self, url: str, stream: BinaryIO, filesize: int) -> None:
        received = 0
        stream.seek(0)
        with open_location(url, self.timeout) as remote:
            while received <= filesize and (block := remote.read(_BLOCK)):
                received += len(block)
                with writing_to(Path(stream.name).parent):
                    stream.write(block)
        check_size(url, filesize, received)
        with writing_to(Path(stream.name).parent):
            stream.flush()


def check_size(url: str, filesize: int, actual: int) -> None:
    """Check that a shard has the size given in the index.

    Raises:
        DataError: the sizes differ.
    """
    if actual != filesize:
        raise DataError(
            f"shard {url} is damaged or was replaced: the index says {filesize} bytes, but the shard has"
            f" {'more' if actual > filesize else actual}",
            hint="write a new index with cgkit shards index",
        )


@contextmanager
def writing_to(folder: Path) -> Iterator[None]:
    """Convert errors of the operating system that occur while writing to the cache.

    Raises:
        ResourceError: the cache cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise ResourceError(f"the cache {folder} cannot be written: {describe_error(error)}") from error
