"""Getting a whole shard from afar, or saying why not."""

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
from cgkit_shards.locations import open_location, reason

_BLOCK = 1 << 20
_WORTH_ANOTHER_TRY = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Download:
    """Downloads shards.

    Attributes:
        timeout: seconds after which a silent http server is an error.
        retries: how often a download is tried again, after 1, 2, 4 ... seconds.
    """

    timeout: float = 60.0
    retries: int = 3
    _given_up: set[str] = field(default_factory=set, compare=False)
    """Servers that failed after all retries: a batch may want many shards, and would otherwise wait for each."""

    def fetch(self, url: str, stream: BinaryIO, filesize: int) -> None:
        """Write a shard into a stream.

        Raises:
            DataError: it cannot be had, or has another size.
            ResourceError: it cannot be written.
        """
        server = urlsplit(url).netloc
        retries = 0 if server in self._given_up else self.retries
        for attempt in range(retries + 1):
            try:
                self._copy(url, stream, filesize)
                return
            except (DataError, ResourceError):
                raise
            except Exception as error:  # a file system of fsspec may raise anything
                about_the_shard = isinstance(error, HTTPError) and error.code not in _WORTH_ANOTHER_TRY
                if about_the_shard or attempt == retries:
                    if not about_the_shard:
                        self._given_up.add(server)
                    tries = f" (tried {attempt + 1} times)" if attempt else ""
                    raise DataError(f"shard {url} cannot be downloaded: {reason(error)}{tries}") from error
                time.sleep(2**attempt)

    def _copy(self, url: str, stream: BinaryIO, filesize: int) -> None:
        received = 0
        stream.seek(0)
        with open_location(url, self.timeout) as remote:
            while received <= filesize and (block := remote.read(_BLOCK)):
                received += len(block)
                with written_in(Path(stream.name).parent):
                    stream.write(block)
        check_size(url, filesize, received)
        with written_in(Path(stream.name).parent):
            stream.flush()


def check_size(url: str, filesize: int, found: int) -> None:
    """Refuse a shard that is not as long as the index says.

    Raises:
        DataError: it is not.
    """
    if found != filesize:
        raise DataError(
            f"shard {url} is damaged or another: the index says {filesize} bytes, there are"
            f" {'more' if found > filesize else found}",
            hint="cgkit shards index writes a new index",
        )


@contextmanager
def written_in(folder: Path) -> Iterator[None]:
    """Say of what goes wrong that the cache cannot be written.

    Raises:
        ResourceError: the disk is full, or the folder is closed to us.
    """
    try:
        yield
    except OSError as error:
        raise ResourceError(f"the cache {folder} cannot be written in: {reason(error)}") from error
