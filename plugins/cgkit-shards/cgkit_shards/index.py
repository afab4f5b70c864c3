"""The index of a set of shards: which images are in which shard, and where.

It is written once, so that no shard need be opened to know what there is. `url`, `nsamples` and `filesize` mean what
they mean in the indices of webdataset.
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
from cgkit_shards.locations import beside, is_remote, open_location, reason

INDEX = "index.json"
TIMEOUT = 60.0
"""Seconds after which a silent server is an error, where nothing else is said."""

Count = Annotated[int, Ge(0), Le(2**62)]


class Shard(BaseModel):
    """One tar file and the images in it.

    Attributes:
        url: where it is, as seen from the index, or anywhere.
        nsamples: how many images it holds.
        filesize: its size in bytes.
        names: what the images are called, one by one.
        offsets: where each image's bytes begin.
        sizes: how many bytes each image has.
        crc32: the CRC-32 of each image's bytes.
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
    def _whole(self) -> Shard:
        if {len(self.names), len(self.offsets), len(self.sizes), len(self.crc32)} != {self.nsamples}:
            raise ValueError(f"{self.url}: names, offsets, sizes and crc32 are not {self.nsamples} each")
        if any(offset + size > self.filesize for offset, size in zip(self.offsets, self.sizes, strict=True)):
            raise ValueError(f"{self.url}: an image reaches over the end of the shard")
        for name in self.names:
            if not is_plain(name):
                raise ValueError(f"{self.url}: {name!r} is no name for an image: it leads out of the shard")
        return self


class Index(BaseModel):
    """A set of shards, in order."""

    model_config = ConfigDict(strict=True, frozen=True)

    format: Literal["cgkit-shards-1"] = "cgkit-shards-1"
    shardlist: list[Shard]

    def write(self, file: Path) -> None:
        """Write it, all or nothing."""
        replace_text(file, json.dumps(self.model_dump(), separators=(",", ":"), ensure_ascii=False) + "\n")


def read_index(place: str) -> Index:
    """Read an index; the shards' URLs in what is returned are whole.

    Args:
        place: the index file, or the folder that it is in; a URL or a path.

    Raises:
        DataError: it cannot be read, or is no index.
    """
    if not is_remote(place) and Path(place).is_dir():
        place = str(Path(place) / INDEX)
        if not Path(place).exists():
            raise DataError(f"{place} does not exist", hint="cgkit shards index writes one for shards that are there")
    elif not place.partition("?")[0].endswith(".json"):
        place = place.rstrip("/") + "/" + INDEX
    try:
        with open_location(place, TIMEOUT) as stream:
            content = stream.read()
    except Exception as error:  # a file system of fsspec may raise anything
        raise DataError(f"{place} cannot be read: {reason(error)}") from error
    try:
        index = Index.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise DataError(f"{place} is no index of shards: {where + ': ' if where else ''}{first['msg']}") from error
    shards = [shard.model_copy(update={"url": beside(place, shard.url)}) for shard in index.shardlist]
    for shard in shards:
        if is_remote(place) and not is_remote(shard.url):
            raise DataError(f"{place} names a file of this machine: {shard.url}")
    if not sum(shard.nsamples for shard in shards):
        raise DataError(f"{place} holds no images")
    return index.model_copy(update={"shardlist": shards})


def index_shards(shards: Iterable[str], folder: Path, timeout: float = TIMEOUT) -> Index:
    """Return the index of shards that are there already, reading each once.

    Args:
        shards: paths or URLs of uncompressed tar files.
        folder: where the index will lie; shards under it are named as seen from there.
        timeout: seconds after which a silent server is an error.

    Raises:
        DataError: a shard cannot be read, holds a link or a name that leads out of it, or two images share a name.
    """
    found: dict[str, str] = {}
    scanned = []
    for place in shards:
        url = place
        if not is_remote(place):
            path = Path(place).resolve()
            url = path.relative_to(folder.resolve()).as_posix() if path.is_relative_to(folder.resolve()) else str(path)
        try:
            with open_location(place, timeout) as stream:
                shard = scan(stream, url)
        except DataError:
            raise
        except tarfile.TarError as error:
            raise DataError(f"{place} is no uncompressed tar file: {error}") from error
        except Exception as error:  # a file system of fsspec may raise anything
            raise DataError(f"{place} cannot be read: {reason(error)}") from error
        for name in shard.names:
            if name in found:
                raise DataError(f"{name} is in {found[name]} and in {place}: an image's name is its own")
            found[name] = place
        scanned.append(shard)
    return Index(shardlist=scanned)


def scan(stream: BinaryIO, url: str) -> Shard:
    """Return what a shard holds, reading it once from its beginning to its end; nothing is unpacked.

    Files that are no images by their suffix are passed over: labels, captions.

    Raises:
        DataError: it holds a link, a device, or a name that leads out of it.
        tarfile.TarError: it is no tar file.
    """
    names, offsets, sizes, checks = [], [], [], []
    counted = _Counted(stream)
    with tarfile.open(fileobj=cast(Any, counted), mode="r|") as tar:
        for member in tar:
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                raise DataError(f"{url}: {member.name} is a link or a device, no file")
            if not is_plain(member.name):
                raise DataError(f"{url}: {member.name!r} is no name for an image: it leads out of the shard")
            if PurePosixPath(member.name).suffix.lower() not in SUFFIXES:
                continue
            content = tar.extractfile(member)
            assert content is not None  # it is a regular file
            check, length = 0, 0
            while block := content.read(1 << 20):
                check, length = zlib.crc32(block, check), length + len(block)
            if length != member.size:
                raise tarfile.ReadError(f"cut short in {member.name}")
            names.append(member.name.removeprefix("./"))
            offsets.append(member.offset_data)
            sizes.append(member.size)
            checks.append(check)
    while counted.read(1 << 20):
        pass
    return Shard(
        url=url,
        nsamples=len(names),
        filesize=counted.length,
        names=names,
        offsets=offsets,
        sizes=sizes,
        crc32=checks,
    )


def is_plain(name: str) -> bool:
    """Return whether a name is text, and stays in the folder that it is looked up in."""
    path = PurePosixPath(name)
    inside = bool(path.parts) and not path.is_absolute() and ".." not in path.parts
    return inside and not any(sign in "\0\\" or "\ud800" <= sign <= "\udfff" for sign in name)


class _Counted:
    """A stream that knows how much of it was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.length = 0

    def read(self, count: int) -> bytes:
        block = self._stream.read(count)
        self.length += len(block)
        return block
