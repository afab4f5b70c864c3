"""The image formats that cgkit reads and writes without any plugin."""

from __future__ import annotations

FORMATS = {
    "png": "cgkit.components.formats.png:Png",
    "jpeg": "cgkit.components.formats.pillow:Jpeg",
    "webp": "cgkit.components.formats.pillow:WebP",
    "tiff": "cgkit.components.formats.tiff:Tiff",
    "bmp": "cgkit.components.formats.pillow:Bmp",
    "npy": "cgkit.components.formats.arrays:Npy",
    "npz": "cgkit.components.formats.arrays:Npz",
}
"""The class of each built-in format. The registry and `cgkit.images.formats.built_in` both read this table."""
