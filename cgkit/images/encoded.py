"""Image files on disk or in memory, as streams of bytes."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO


@dataclass(frozen=True)
class EncodedImage:
    """An image file in memory: its name, for messages, and its bytes."""

    name: str
    content: bytes

    def __str__(self) -> str:
        return self.name

    @property
    def suffix(self) -> str:
        """The suffix of the name, such as `.png`."""
        return PurePath(self.name).suffix

    def open(self) -> io.BytesIO:
        """Return a binary stream of the bytes."""
        return io.BytesIO(self.content)


def open_stream(file: Path | EncodedImage) -> BinaryIO:
    """Open an image file as a binary stream, which the caller must close."""
    return file.open() if isinstance(file, EncodedImage) else file.open("rb")
