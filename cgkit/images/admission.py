"""What may be opened as an image: the one door that every file comes through.

A file, or the bytes of one, is looked at before it is decoded: it must be a regular file of a bearable size, in one of
a few formats, with a bearable number of pixels and values, and not animated.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from PIL import Image

from cgkit.errors import DataError
from cgkit.images.arrays import NPY_MAGIC, NPZ_MAGIC, open_npy, open_npz
from cgkit.images.header import EncodedImage, ImageHeader, OpenImage, stream_of
from cgkit.images.limits import check_length, check_size, most_pixels
from cgkit.images.optional_libraries import damage_explained
from cgkit.images.pictures import FORMATS as PICTURES
from cgkit.images.pictures import open_picture
from cgkit.images.pixels import PixelFormat
from cgkit.images.tiffs import MAGIC as TIFF_MAGIC
from cgkit.images.tiffs import open_tiff

FORMATS = (*PICTURES, "NPY", "NPZ")


def inspect_image(path: Path, pixels: PixelFormat | None = None) -> ImageHeader:
    """Return what an image's header says, without decoding its pixels.

    Args:
        path: the file.
        pixels: what the images of its domain are like, which says how pages and arrays are to be understood.

    Raises:
        DataError: it may not be opened, and why.
    """
    with admitted(path, pixels or PixelFormat()) as image:
        return image.header


@contextmanager
def admitted(path: Path | EncodedImage, pixels: PixelFormat) -> Iterator[OpenImage]:
    """Yield an opened image that passed every check; what goes wrong while it is used is a `DataError` too.

    Raises:
        DataError: it may not be opened, or its pixels cannot be decoded.
    """
    name = str(path).replace("\n", "\\n")  # one line a problem, whatever a file is called
    try:
        if isinstance(path, EncodedImage):
            check_length(len(path.content))
        else:
            _check_file(path)
        with ExitStack() as stack:
            with damage_explained():
                image = stack.enter_context(_opened(path, pixels))
            check_size(image.header.width, image.header.height, image.header.channels)
            yield OpenImage(image.header, damage_explained()(image.decode))
    except Image.DecompressionBombError as error:
        raise DataError(f"{name}: more than {most_pixels() // 1_000_000} million pixels") from error
    except DataError as error:
        raise DataError(f"{name}: {error.message}", hint=error.hint) from error
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DataError(f"{name}: damaged or cut short: {reason}", hint="mend or remove it") from error


def _opened(path: Path | EncodedImage, pixels: PixelFormat) -> AbstractContextManager[OpenImage]:
    """Open a file by what it begins with: its suffix may be wrong."""
    with stream_of(path) as stream:
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
