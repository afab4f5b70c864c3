"""HEIC and HEIF, the photographs of phones, with the library pillow-heif."""

from __future__ import annotations

from typing import BinaryIO

from cgkit.components.formats.optional_libraries import library
from cgkit.components.formats.pillow import PillowFormat, brands_of
from cgkit.contracts import OpenImage, Reading

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")


class Heif(PillowFormat):
    """HEIC and HEIF with 8 bits per channel; of several pictures, the main one. It is not written."""

    name = "HEIF"
    suffixes = (".heic", ".heif", ".hif")

    def recognises(self, start: bytes) -> bool:
        """Return whether a file names HEIF among its brands, and is no AVIF."""
        brands = brands_of(start)
        return bool(brands) and brands[0] in _BRANDS and b"avif" not in brands

    def open(self, stream: BinaryIO, reading: Reading) -> OpenImage:
        """Read the header of a file.

        Raises:
            DataError: pillow-heif is not installed.
        """
        library("pillow_heif", "HEIC", extra="heif").register_heif_opener(thumbnails=False)
        return super().open(stream, reading)

    def holds(self, channels: int, depth: str, alpha: bool) -> bool:
        """Return false."""
        return False
