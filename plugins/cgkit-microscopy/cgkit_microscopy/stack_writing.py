"""Write a stack, one plane at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tifffile import TiffWriter

from cgkit_microscopy import imagej, ome
from cgkit_microscopy.ome import Content
from cgkit_microscopy.opening import LARGEST
from cgkit_microscopy.planes import Stack

_RESOLUTION, _UNIT = (282, 283), 296


@dataclass(frozen=True)
class Said:
    """What a translation says besides its planes.

    Attributes:
        description: the text of its first page.
        extratags: further tags of its first page.
        remarks: a sentence on each thing that is left out.
    """

    description: bytes | None
    extratags: tuple[Any, ...]
    remarks: list[str]


def describe(stack: Stack, content: Content, *, keep_names: bool) -> Said:
    """Return what the translation of a stack says, in the way of its source."""
    if stack.kind == "ome":
        description, remarks = ome.revise(stack.file.ome_metadata or "", content, stack.number, keep_names=keep_names)
        said = Said(description, (), remarks)
    elif stack.kind == "imagej":
        pages = len(stack.positions) * stack.channels
        said = Said(*imagej.revise(stack.file, content, pages))
    else:
        said = _describe_plain(stack, content, keep_names=keep_names)
    if stack.reduced:
        said.remarks.append(f"the {stack.reduced} smaller copies of each plane are left out")
    if stack.alpha:
        said.remarks.append("its transparency is left out")
    return said


def _describe_plain(stack: Stack, content: Content, *, keep_names: bool) -> Said:
    text = stack.file.pages.first.description
    if stack.file.is_shaped:
        shape = [content.lengths[axis] for axis in content.axes] + [stack.height, stack.width]
        shape += [content.samples] if content.samples > 1 else []
        axes = content.axes + "YX" + "S" * (content.samples > 1)
        return Said(json.dumps({"shape": shape, "axes": axes}).encode(), (), [])
    if not text or keep_names:
        return Said(text.encode() or None, (), [])
    return Said(None, (), ["its description is left out, since it may name a person: set keep_names to keep it"])


def write_stack(path: Path, pages: Iterable[NDArray[Any]], size: int, said: Said, source: Stack) -> None:
    """Write the planes of a translation, compressed without loss.

    Args:
        path: the file to write.
        pages: the planes, `(H, W)` or `(H, W, 3)`.
        size: the number of bytes of all planes.
        said: what the file says besides.
        source: the stack that was translated, whose resolution and date are kept.
    """
    tags = source.file.pages.first.tags
    options: dict[str, Any] = {"metadata": None, "compression": "zlib", "contiguous": False, "software": "cgkit"}
    if all(code in tags for code in _RESOLUTION):
        options["resolution"] = tuple(tags.valueof(code) for code in _RESOLUTION)
        options["resolutionunit"] = int(tags.valueof(_UNIT, 2))
    first = {"description": said.description, "extratags": said.extratags, "datetime": tags.valueof(306)}
    with TiffWriter(path, bigtiff=size > LARGEST, ome=False, byteorder="<") as writer:
        for page in pages:
            photometric = "rgb" if page.ndim == 3 else "minisblack"
            predictor = bool(np.issubdtype(page.dtype, np.integer))
            writer.write(page, photometric=photometric, predictor=predictor, **options, **first)
            first = {}
