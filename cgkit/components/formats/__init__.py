"""The image formats that cgkit reads and writes without any plugin."""

from __future__ import annotations

FORMATS = {
    "png": "cgkit.components.formats.png:Png",
    "jpeg": "cgkit.components.formats.jpeg:Jpeg",
    "webp": "cgkit.components.formats.pillow:WebP",
    "tiff": "cgkit.components.formats.tiff:Tiff",
    "bmp": "cgkit.components.formats.pillow:Bmp",
    "avif": "cgkit.components.formats.pillow:Avif",
    "heif": "cgkit.components.formats.heif:Heif",
    "jpeg2000": "cgkit.components.formats.jpeg2000:Jpeg2000",
    "gif": "cgkit.components.formats.pillow:Gif",
    "netpbm": "cgkit.components.formats.pillow:Netpbm",
    "npy": "cgkit.components.formats.arrays:Npy",
    "npz": "cgkit.components.formats.arrays:Npz",
}
"""The class of each built-in format. The registry and `cgkit.images.formats.built_in` both read this table."""
