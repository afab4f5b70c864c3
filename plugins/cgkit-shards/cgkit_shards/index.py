"""The index of a set of shards: the position of every image in its shard.

With the index, no shard has to be opened to list the images. `url`, `nsamples` and `filesize` have the same meaning as
in the indices of webdataset.
"""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO, Literal, cast

from annotated_types import Ge, Le
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from cgkit.errors import DataError
from cgkit.files.atomic import replace_text
from cgkit.files.image_files import SUFFIXES
from cgkit_shards.locations import describe_error, is_remote, open_location, resolve

INDEX = "index.json"
TIMEOUT = 60.0
"""Default number of seconds to wait for data from an HTTP server before a read fails."""

Count = Annotated[int, Ge(0), Le(2**62)]


class Shard(BaseModel):
    """One tar file and the images in it.

    Attributes:
        url: the location of the tar file: a path relative to the index, an absolute path or a URL.
        nsamples: number of images.
        filesize: size of the tar file in bytes.
        names: names of the images.
        offsets: position of each image's first byte in the tar file.
        sizes: size of each image in bytes.
        crc32: CRC-32 of each image's bytes.
    """

    model_config = ConfigDict(strict=True, frozen=True)

    url: str
    nsamples: Count
    filesize: Count
    names: list[str]
    offsets: list[Count]
    sizes: list[Count]
    crc32: list[Count]

    @model_validator(mode="after")
    def _check(self) -> Shard:
        if {len(self.names), len(self.offsets), len(self.sizes), len(self.crc32)} != {self.nsamples}:
            raise ValueError(f"{self.url}: names, offsets, sizes and crc32 must have {self.nsamples} entries each")
        if any(offset + size > self.filesize for offset, size in zip(self.offsets, self.sizes, strict=True)):
            raise ValueError(f"{self.url}: an image extends beyond the end of the shard")
        for name in self.names:
            if not is_safe_name(name):
                raise ValueError(f"{self.url}: {name!r} is not a valid name: not plain text, or outside the shard")
        return self


class Index(BaseModel):
    """An ordered set of shards."""

    model_config = ConfigDict(strict=True, frozen=True)

    format: Literal["cgkit-shards-1"] = "cgkit-shards-1"
    shardlist: list[Shard]

    def write(self, file: Path) -> None:
        """Write the index to a file atomically."""
        replace_text(file, json.dumps(self.model_dump(), separators=(",", ":"), ensure_ascii=False) + "\n")


def read_index(location: str) -> Index:
    """Read an index and make the URLs of its shards absolute.

    Args:
        location: path or URL of the index file or of the folder that contains it.

    Raises:
        DataError: the file cannot be read, is not an index, contains no images, or is remote but names a local shard.
    """
    if not is_remote(location) and Path(location).is_dir():
        location = str(Path(location) / INDEX)
        if not Path(location).exists():
            raise DataError(f"{location} does not exist", hint="write an index with cgkit shards index")
    elif not location.partition("?")[0].endswith(".json"):
        location = location.rstrip("/") + "/" + INDEX
    try:
        with open_location(location, TIMEOUT) as stream:
            content = stream.read()
    except Exception as error:  # fsspec's file systems may raise exceptions of any type
        raise DataError(f"{location} cannot be read: {describe_error(error)}") from error
    try:
        index = Index.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise DataError(f"{location} is not an index of shards: {key + ': ' if key else ''}{first['msg']}") from error
    shards = [shard.model_copy(update={"url": resolve(location, shard.url)}) for shard in index.shardlist]
    for shard in shards:
        if is_remote(location) and not is_remote(shard.url):
            raise DataError(f"the remote index {location} names a local file: {shard.url}")
    if not sum(shard.nsamples for shard in shards):
        raise DataError(f"{location} contains no images")
    return index.model_copy(update={"shardlist": shards})


def index_shards(shards: Iterable[str], folder: Path, timeout: float = TIMEOUT) -> Index:
    """Return the index of existing shards, reading each shard once.

    Args:
        shards: paths or URLs of uncompressed tar files.
        folder: the folder of the index; paths of shards below it are stored relative to it.
        timeout: seconds to wait for data from an HTTP server before a read fails.

    Raises:
        DataError: a shard cannot be read, is not an uncompressed tar file, or contains a link, a device or an unsafe
            name; or two images have the same name.
    """
    shard_of: dict[str, str] = {}
    scanned = []
    for location in shards:
        url = location
        if not is_remote(location):
            path = Path(location).resolve()
            url = path.relative_to(folder.resolve()).as_posix() if path.is_relative_to(folder.resolve()) else str(path)
        try:
            with open_location(location, timeout) as stream:
                shard = scan(stream, url)
        except DataError:
            raise
        except tarfile.TarError as error:
            raise DataError(f"{location} is not an uncompressed tar file: {error}") from error
        except Exception as error:  # fsspec's file systems may raise exceptions of any type
            raise DataError(f"{location} cannot be read: {describe_error(error)}") from error
        for name in shard.names:
            if name in shard_of:
                raise DataError(f"{name} is in {shard_of[name]} and in {location}, but names must be unique")
            shard_of[name] = location
        scanned.append(shard)
    return Index(shardlist=scanned)


def scan(stream: BinaryIO, url: str) -> Shard:
    """Return the index entry of a shard, reading it once from beginning to end without unpacking it.

    Files without an image suffix, such as labels and captions, are skipped.

    Raises:
        DataError: the shard contains a link, a device or an unsafe name.
        tarfile.TarError: the stream is not an uncompressed tar file, or is truncated.
    """
    names, offsets, sizes, checksums = [], [], [], []
    counter = _CountingStream(stream)
    with tarfile.open(fileobj=cast(Any, counter), mode="r|") as tar:
        for member in tar:
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise DataError(f"{url}: {member.name} is a link or a device, not a file")
            if not is_safe_name(member.name):
                raise DataError(f"{url}: {member.name!r} is not a valid name: not plain text, or outside the shard")
            if PurePosixPath(member.name).suffix.lower() not in SUFFIXES:
                continue
            content = tar.extractfile(member)
            assert content is not None  # always true for regular files
            checksum, length = 0, 0
            while block := content.read(1 << 20):
                checksum, length = zlib.crc32(block, checksum), length + len(block)
            if length != member.size:
                raise tarfile.ReadError(f"truncated in {member.name}")
            names.append(member.name.removeprefix("./"))
            offsets.append(member.offset_data)
            sizes.append(member.size)
            checksums.append(checksum)
    while counter.read(1 << 20):
        pass
    return Shard(
        url=url,
        nsamples=len(names),
        filesize=counter.length,
        names=names,
        offsets=offsets,
        sizes=sizes,
        crc32=checksums,
    )


def is_safe_name(name: str) -> bool:
    """Return whether a name is valid text without backslashes and does not point outside its folder."""
    path = PurePosixPath(name)
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return inside and not any(letter in "\0\\" or "\ud800" <= letter <= "\udfff" for letter in name)


class _CountingStream:
    """A stream that counts the bytes read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.length = 0

    def read(self, count: int) -> bytes:
        block = self._stream.read(count)
        self.length += len(block)
        return block
