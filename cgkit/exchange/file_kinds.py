"""Name the kinds of files that are mistaken for weights, and say what to do instead."""

from __future__ import annotations

import re
from pathlib import Path

_NO_PYTORCH = "cgkit imports the weights of PyTorch networks"
_UNPACK = "a compressed archive; unpack it, and import the weights in it"
_EXPORTED = "import the PyTorch weights that it was exported from"
_WEIGHTS = re.compile(rb"PK|\x80|.{8}\{", re.DOTALL)
"""The first bytes of a zip file, of a pickle and of a safetensors file."""

_BEGINNINGS = (
    (rb"\s*version https://git-lfs", "a git-lfs pointer in place of the weights; fetch them with `git lfs pull`"),
    (rb"(?i)\s*(<!--.*?-->\s*)?<(!doctype html|html|head)", "a web page; download the file that it leads to"),
    (rb"\x89HDF\r\n", f"an HDF5 file, as Keras and TensorFlow write it; {_NO_PYTORCH}"),
    (rb".{4}TFL3", f"a TensorFlow Lite model; {_NO_PYTORCH}"),
    (rb"\x93NUMPY", f"a NumPy array; {_NO_PYTORCH}"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|II\*\0|MM\0\*|RIFF", "a picture or a video; give the file of the weights"),
    (rb"\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd|.{257}ustar", _UNPACK),
    (rb"\x08[\x01-\x20]\x12.{1,40}(\x1a|\x22|\x3a)", f"an ONNX file; {_EXPORTED}"),
)
"""Patterns of first bytes, and what a file is that begins so."""
_SUFFIXES = {
    ".onnx": f"an ONNX file; {_EXPORTED}",
    ".data": f"the second part of an ONNX file; {_EXPORTED}",
    ".pb": f"a TensorFlow graph; {_NO_PYTORCH}",
    ".index": f"a part of a TensorFlow checkpoint; {_NO_PYTORCH}",
    ".t7": "a file of Torch 7 (Lua), the predecessor of PyTorch; look for a PyTorch version of the weights",
}


def mistaken_for_weights(file: Path) -> str | None:
    """Return what a file is, and what to do, if it is no file of weights; zip archives are not looked into."""
    with file.open("rb") as opened:
        start = opened.read(512)
    if not start:
        return "empty; download or copy it again"
    if _WEIGHTS.match(start):
        return None
    for pattern, kind in _BEGINNINGS:
        if re.match(pattern, start, re.DOTALL):
            return kind
    if re.fullmatch(rb"[\t\n\r\x20-\x7e]{1,511}|[\t\n\r\x20-\x7e]{512}", start):
        line = " ".join(start.decode().split())
        return f'text, which begins with "{line[:60]}"; read it to see what went wrong, and download the file again'
    return _SUFFIXES.get(file.suffix.lower())


def is_safetensors(file: Path) -> bool:
    """Return whether a file begins as a safetensors file does, whatever its name ends with."""
    with file.open("rb") as opened:
        return opened.read(9)[8:] == b"{"
