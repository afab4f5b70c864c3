"""Check image files before their pixels are decoded; every image file is opened through this module.

An image is opened only if one of the formats recognises it, and if it is within the limits on bytes, pixels and values.
If it is on disk, it must also be a regular file.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray
from PIL import Image

from cgkit.contracts import ImageHeader, OpenImage, Reading
from cgkit.contracts.formats import START_BYTES
from cgkit.errors import DamagedImageError, DataError, PluginError
from cgkit.files.limits import check_length, check_size, most_pixels
from cgkit.images.encoded import EncodedImage, open_stream
from cgkit.images.formats import Carry, Formats, NamedFormat, built_in
from cgkit.images.pixels import WHOLE_RANGES, WRITTEN_AS, PixelFormat

DEPTHS = (*WHOLE_RANGES, *WRITTEN_AS, "uint32", "int16", "int32", "float32")
"""The types of values that a header may state."""


def inspect_image(
    path: Path | EncodedImage, pixels: PixelFormat | None = None, formats: Formats | None = None
) -> ImageHeader:
    """Read the header of an image without decoding its pixels.

    Args:
        path: The image file.
        pixels: The pixel format of the domain, which determines how TIFF pages and NumPy arrays are interpreted; by
            default 8-bit colour.
        formats: The available formats; by default those that ship with cgkit.

    Raises:
        DataError: The file fails one of the checks; the message says which.
    """
    with admitted(path, pixels or PixelFormat(), formats) as image:
        return image.header


@dataclass(frozen=True)
class AdmittedImage:
    """An image that passed every check, and whose pixels may be decoded while it is open."""

    header: ImageHeader
    _format: NamedFormat
    _opened: OpenImage

    def decode(self) -> NDArray[Any]:
        """Decode the pixels to an upright `(H, W, channels)` array of type `header.depth`."""
        header = self.header
        with damage_explained():
            values = self._opened.decode()
        if (values.shape, values.dtype.name) != ((header.height, header.width, header.channels), header.depth):
            raise ValueError(f"its pixels are {values.dtype} {values.shape}, which its header does not say")
        return values

    def carry(self) -> Carry | None:
        """Return what else the file says."""
        with damage_explained():
            content = None if self._opened.carry is None else self._opened.carry()
        return None if content is None else Carry(self._format.key, content)


@contextmanager
def admitted(path: Path | EncodedImage, pixels: PixelFormat, formats: Formats | None = None) -> Iterator[AdmittedImage]:
    """Check and open an image, without decoding its pixels.

    `OSError` and `ValueError` become `DamagedImageError`, `MemoryError` becomes `DataError`, even if they are raised
    inside the `with` block.

    Raises:
        DamagedImageError: The image fails one of the checks, or its pixels cannot be decoded.
        DataError: There is not enough memory.
    """
    is_open = False
    name = str(path).replace("\n", "\\n")  # a message must stay on one line even if the file name has line breaks
    try:
        if isinstance(path, EncodedImage):
            check_length(len(path.content))
        else:
            _check_file(path)
        with open_stream(path) as stream:
            image = _open(stream, path.suffix, pixels.reading, formats or built_in())
            check_size(image.header.width, image.header.height, image.header.channels)
            is_open = True
            yield image
    except Image.DecompressionBombError as error:
        raise DamagedImageError(f"{name}: has more than {most_pixels() // 1_000_000} million pixels") from error
    except (DataError, PluginError) as error:
        kind = DamagedImageError if isinstance(error, DataError) and not is_open else type(error)
        raise kind(f"{name}: {error.message}", hint=error.hint) from error
    except (OSError, ValueError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        kind = DataError if isinstance(error, MemoryError) else DamagedImageError  # perhaps the image is intact
        raise kind(f"{name}: damaged or truncated: {reason}", hint="repair or remove it") from error


@contextmanager
def damage_explained() -> Iterator[None]:
    """Turn an undocumented exception of an image library into a `ValueError`.

    Libraries do not document what they raise for damaged files. `DataError`, `OSError`, `MemoryError` and Pillow's
    `DecompressionBombError` pass through.
    """
    try:
        yield
    except (DataError, OSError, MemoryError, Image.DecompressionBombError):
        raise
    except (ImportError, NameError, AttributeError) as error:  # no file can cause these
        raise PluginError(f"its format failed: {type(error).__name__}: {error}") from error
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _open(stream: BinaryIO, suffix: str, reading: Reading, formats: Formats) -> AdmittedImage:
    """Open a file in the format that its first bytes indicate, since its suffix may be wrong."""
    named = formats.of_content(stream.read(START_BYTES), suffix)
    stream.seek(0)
    with damage_explained():
        opened = named.format.open(stream, reading)
    if opened.header.depth not in DEPTHS:
        known = ", ".join(DEPTHS)
        raise PluginError(
            f"the format {named.name} of {named.provider}: depth {opened.header.depth!r} is none of {known}"
        )
    return AdmittedImage(opened.header, named, opened)


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
