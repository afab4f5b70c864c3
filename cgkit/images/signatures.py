"""Files that people take for images: what they are, by their first bytes, and what to do with them."""

from __future__ import annotations

from cgkit.packages import VOLUMES

_CONVERT = "convert it to PNG or TIFF"
_DEVELOP = "develop it to TIFF or PNG with a raw converter, such as darktable or dcraw"

_KNOWN: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"8BPS", "a Photoshop document", _CONVERT),
    (0, b"%PDF", "a PDF document", _CONVERT),
    (0, b"v/1\x01", "an OpenEXR image", _CONVERT),
    (0, b"#?RADIANCE", "a Radiance HDR image", _CONVERT),
    (0, b"\xff\x0a", "a JPEG XL image", _CONVERT),
    (4, b"JXL \r\n\x87\n", "a JPEG XL image", _CONVERT),
    (0, b"II\xbc\x01", "a JPEG XR image", _CONVERT),
    (0, b"\x00\x00\x01\x00", "an icon", _CONVERT),
    (0, b"gimp xcf", "a GIMP image", _CONVERT),
    (0, b"DDS ", "a DirectDraw texture", _CONVERT),
    (4, b"ftypcrx", "a raw photograph (CR3)", _DEVELOP),
    (0, b"FUJIFILMCCD-RAW", "a raw photograph (RAF)", _DEVELOP),
    (0, b"IIRO", "a raw photograph (ORF)", _DEVELOP),
    (0, b"IIRS", "a raw photograph (ORF)", _DEVELOP),
    (0, b"IIU\0", "a raw photograph (RW2)", _DEVELOP),
    (0, b"\0MRM", "a raw photograph (MRW)", _DEVELOP),
    (0, b"FOVb", "a raw photograph (X3F)", _DEVELOP),
    (128, b"DICM", "a DICOM file", f"install the package {VOLUMES}"),
    (344, b"n+1\0", "a NIfTI volume", f"install the package {VOLUMES}"),
    (0, b"ObjectType", "a MetaImage volume", f"install the package {VOLUMES}"),
    (0, b"NDims", "a MetaImage volume", f"install the package {VOLUMES}"),
    (0, b"\x89HDF\r\n", "an HDF5 file", "save its images as NPY or TIFF"),
    (0, b"CDF\x01", "a NetCDF file", "save its images as NPY or TIFF"),
    (0, b"SIMPLE  =", "a FITS file", "save its images as NPY or TIFF"),
    (0, b"MATLAB", "a MATLAB file", "save its images as NPY or TIFF"),
    (4, b"ftyp", "a video", "translate it as a video, or save its frames as images"),
    (0, b"\x1a\x45\xdf\xa3", "a video", "translate it as a video, or save its frames as images"),
    (8, b"AVI ", "a video", "translate it as a video, or save its frames as images"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "run git lfs pull"),
    (0, b"\x1f\x8b", "a gzip archive", "unpack it"),
    (0, b"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (0, b"Rar!", "a RAR archive", "unpack it"),
)
"""Place in the file, bytes there, what such a file is, and what to do; the first that fits counts."""

_MARKUP = (
    (b"<svg", "an SVG drawing", "render it to PNG"),
    (b"<html", "a web page that was saved by mistake", "download the image itself"),
    (b"<!doctype html", "a web page that was saved by mistake", "download the image itself"),
)


def describe_other(start: bytes) -> tuple[str, str] | None:
    """Return what a file that no format reads is, by its first bytes, and what to do; None if that is unknown."""
    if not start:
        return "empty", "remove it, or copy it again"
    for place, magic, what, remedy in _KNOWN:
        if start[place : place + len(magic)] == magic:
            return what, remedy
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<"):
        return next(((what, remedy) for tag, what, remedy in _MARKUP if tag in text), None)
    return None
