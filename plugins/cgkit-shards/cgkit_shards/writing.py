"""Pack a folder of images into shards."""

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
    """Pack the images of a folder into shards and write the index last.

    The images are ordered by a digest of their names, so that neighbours in the folder are separated and the last
    images are a random sample. The same images always give the same shards, byte for byte.

    Args:
        folder: the folder of images, searched recursively.
        output: the folder for the shards, which must be empty if it exists.
        shard_bytes: size in bytes after which a new shard is started.

    Raises:
        DataError: the folder contains no images.
        UsageError: the output folder is not empty.
        ResourceError: the output folder cannot be written, or an image cannot be read.
    """
    images = [(file, file.relative_to(folder).as_posix()) for file in list_images(folder)]
    images.sort(key=lambda image: hashlib.sha256(os.fsencode(image[1])).digest())
    try:
        output.mkdir(parents=True, exist_ok=True)
        if any(output.iterdir()):
            raise UsageError(f"{output} is not empty", hint="choose a new folder")
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
