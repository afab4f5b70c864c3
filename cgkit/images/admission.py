"""Check image files before their pixels are decoded; every image file is opened through this module.

An image is opened only if it is in a supported format, is not animated, and is within the limits on bytes, pixels and
values. If it is on disk, it must also be a regular file.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from PIL import Image

from cgkit.errors import DataError
from cgkit.images.arrays import NPY_MAGIC, NPZ_MAGIC, open_npy, open_npz
from cgkit.images.header import EncodedImage, ImageHeader, OpenImage, open_stream
from cgkit.images.limits import check_length, check_size, most_pixels
from cgkit.images.optional_libraries import damage_explained
from cgkit.images.pictures import FORMATS as PICTURES
from cgkit.images.pictures import open_picture
from cgkit.images.pixels import PixelFormat
from cgkit.images.tiffs import MAGIC as TIFF_MAGIC
from cgkit.images.tiffs import open_tiff

FORMATS = (*PICTURES, "NPY", "NPZ")


def inspect_image(path: Path, pixels: PixelFormat | None = None) -> ImageHeader:
    """Read the header of an image without decoding its pixels.

    Args:
        path: The image file.
        pixels: The pixel format of the domain, which determines how TIFF pages and NumPy arrays are interpreted; by
            default 8-bit colour.

    Raises:
        DataError: The file fails one of the checks; the message says which.
    """
    with admitted(path, pixels or PixelFormat()) as image:
        return image.header


@contextmanager
def admitted(path: Path | EncodedImage, pixels: PixelFormat) -> Iterator[OpenImage]:
    """Check and open an image, without decoding its pixels.

    `OSError`, `ValueError` and `MemoryError` become `DataError`, even if they are raised inside the `with` block.

    Raises:
        DataError: The image fails one of the checks, or its pixels cannot be decoded.
    """
    name = str(path).replace("\n", "\\n")  # a message must stay on one line even if the file name has line breaks
    try:
        if isinstance(path, EncodedImage):
            check_length(len(path.content))
        else:
            _check_file(path)
        with ExitStack() as stack:
            with damage_explained():
                image = stack.enter_context(_open_by_content(path, pixels))
            check_size(image.header.width, image.header.height, image.header.channels)
            yield OpenImage(image.header, damage_explained()(image.decode))
    except Image.DecompressionBombError as error:
        raise DataError(f"{name}: has more than {most_pixels() // 1_000_000} million pixels") from error
    except DataError as error:
        raise DataError(f"{name}: {error.message}", hint=error.hint) from error
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{name}: damaged or truncated: {reason}", hint="repair or remove it") from error


def _open_by_content(path: Path | EncodedImage, pixels: PixelFormat) -> AbstractContextManager[OpenImage]:
    """Open a file in the format that its first bytes indicate, since its suffix may be wrong."""
    with open_stream(path) as stream:
        start = stream.read(8)
    if start.startswith(NPY_MAGIC):
        return open_npy(path, pixels)
    if start.startswith(NPZ_MAGIC):
        return open_npz(path, pixels)
    if start.startswith(TIFF_MAGIC):
        return open_tiff(path, pages=pixels.pages)
    return open_picture(path)


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError("not a regular file")
        check_length(status.st_size)
        with path.open("rb"):
            pass
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}") from error
