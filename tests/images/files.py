"""Write image files of every kind, if possible with a library other than the one that reads them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray


def png(
    path: Path,
    values: NDArray[Any],
    *,
    colour: int,
    bits: int = 8,
    size: tuple[int, int] | None = None,
    **chunks: bytes,
) -> Path:
    """Write a PNG chunk by chunk; `size` overrides the size in its header."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    width, height = size or (values.shape[1], values.shape[0])
    encoded = values.astype(">u2") if bits == 16 else values.astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in encoded)
    parts = {"IHDR": struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0), **chunks}
    parts |= {"IDAT": zlib.compress(rows), "IEND": b""}
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind.encode(), part) for kind, part in parts.items()))
    return path


def tiff(path: Path, values: NDArray[Any], **options: Any) -> Path:
    """Write a TIFF."""
    tifffile.imwrite(path, values, metadata=None, **options)
    return path


def noise(*shape: int, depth: str = "uint16", seed: int = 0) -> NDArray[Any]:
    """Return random values over the full range of an integer type, or over [-1000, 3000] for floats."""
    draws = np.random.default_rng([seed, *shape])
    if np.issubdtype(depth, np.floating):
        return draws.uniform(-1000, 3000, shape).astype(depth)
    limits = np.iinfo(depth)
    return draws.integers(limits.min, limits.max, shape, dtype=depth, endpoint=True)
