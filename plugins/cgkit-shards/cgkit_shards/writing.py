"""Packing a folder of images into shards."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path

from cgkit.errors import ResourceError, UsageError
from cgkit.files.atomic import replacing
from cgkit.files.image_files import list_images
from cgkit_shards.index import INDEX, Index, index_shards


def write_shards(folder: Path, output: Path, shard_bytes: int) -> Index:
    """Pack the images of a folder into shards, and write their index last.

    The images go in the order of their names' digests: neighbours in a shard are then no neighbours in the folder,
    and the last images are as good a sample as any. The same images give the same bytes.

    Args:
        folder: it is searched with the folders in it.
        output: a folder that does not exist, or is empty.
        shard_bytes: a shard is closed once it has this many bytes.

    Raises:
        DataError: there are no images.
        UsageError: there is something in the output folder already.
        ResourceError: it cannot be written in.
    """
    images = [(file, file.relative_to(folder).as_posix()) for file in list_images(folder)]
    images.sort(key=lambda image: hashlib.sha256(os.fsencode(image[1])).digest())
    try:
        output.mkdir(parents=True, exist_ok=True)
        if any(output.iterdir()):
            raise UsageError(f"{output} is not empty", hint="shards are written into a new folder")
        shards: list[str] = []
        remaining = iter(images)
        image = next(remaining, None)
        while image is not None:
            shard = output / f"shard-{len(shards):06d}.tar"
            with replacing(shard) as temporary, tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar:
                while image is not None and (tar.offset == 0 or tar.offset < shard_bytes):
                    _add(tar, *image)
                    image = next(remaining, None)
            shards.append(str(shard))
        index = index_shards(shards, output)
        index.write(output / INDEX)
    except OSError as error:
        raise ResourceError(f"{output} cannot be written: {error.strerror or error}") from error
    return index


def _add(tar: tarfile.TarFile, file: Path, name: str) -> None:
    with file.open("rb") as content:
        entry = tarfile.TarInfo(name)
        entry.size = os.fstat(content.fileno()).st_size
        tar.addfile(entry, content)
