"""Translate a slide from disk to disk, in windows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tifffile import TiffFile
from torch import Tensor

from cgkit.contracts import FileModel
from cgkit.errors import DataError
from cgkit_microscopy import ome
from cgkit_microscopy.levels import Part, Wanted, find_part
from cgkit_microscopy.ome import Content
from cgkit_microscopy.opening import is_associated
from cgkit_microscopy.pyramid import Canvas, write_pyramid
from cgkit_microscopy.tissue import tissue_in

WRITING = 0.2
"""The share of the time that writing takes, for the display of progress."""

LEAST = 1e-3
"""The weight of a window without tissue: background is translated as well."""

Slices = tuple[slice, slice]


def translate_slide(
    file: TiffFile,
    target: Path,
    model: FileModel,
    progress: Callable[[float], None],
    wanted: Wanted,
    quality: int | None,
) -> list[str]:
    """Translate a slide into a pyramid.

    Args:
        file: the slide.
        target: the file to write.
        model: the model.
        progress: called with the fraction completed so far.
        wanted: which part to translate.
        quality: the quality of JPEG; None to compress without loss.

    Returns:
        a sentence on each thing that was lost or changed.

    Raises:
        DataError: the slide does not fit the model, or has no such part.
    """
    part = find_part(file, wanted)
    channels = model.channels[1]
    if quality is not None and (model.depth != "uint8" or channels not in (1, 3)):
        raise DataError(
            f"cannot be written as JPEG with {channels} channels of {model.depth}", hint="leave out quality"
        )
    description, remarks = _describe(file, part, channels, model.depth)
    canvas = Canvas(part.height, part.width, channels, model.depth)
    try:
        _translate(part, canvas, model, lambda share: progress(share * (1 - WRITING)))
        write_pyramid(
            target, canvas, description, part.pixel, quality, lambda share: progress(1 - WRITING + share * WRITING)
        )
    finally:
        canvas.close()
    return [*part.remarks, *remarks]


def _translate(part: Part, canvas: Canvas, model: FileModel, progress: Callable[[float], None]) -> None:
    def read(slices: Slices) -> Tensor:
        return model.to_unit(part.read(*slices), part.header)

    def write(slices: Slices, translation: Tensor) -> None:
        canvas.write(slices[0].start, slices[1].start, model.to_values(translation))

    def weigh(slices: Slices) -> float:
        return LEAST + (1 - LEAST) * float(tissue_in(part.read(*slices)).mean())

    model.translate_windows(read, write, (part.height, part.width), progress, weigh)


def _describe(file: TiffFile, part: Part, channels: int, depth: str) -> tuple[bytes, list[str]]:
    """Return the OME-XML of a translation, and a sentence on each thing that is left out."""
    samples = 3 if channels == 3 else 1
    count = channels // samples
    axes = "C" * (count > 1)
    kept = part.selected if channels == part.header.channels and samples == part.pages.samples else None
    content = Content(depth, axes, {"C": count} if axes else {}, kept, samples)
    remarks = []
    if part.left_out:
        remarks.append(f"{part.left_out} of its channels {'are' if part.left_out > 1 else 'is'} left out")
    if others := [series.name.strip().lower() or "unnamed" for series in file.series if is_associated(series)]:
        remarks.append(f"its {', '.join(others)} picture{'s are' if len(others) > 1 else ' is'} not copied")
    if part.pixel is None:
        remarks.append("it does not say the size of its pixels, and neither does its translation")
    if part.header.alpha:
        remarks.append("its transparency is left out")
    if not file.is_ome:
        remarks.append("of its metadata, only the size of its pixels is kept")
        return ome.describe(content, part.width, part.height, part.pixel), remarks
    size = part.width, part.height
    xml, lost = ome.revise(file.ome_metadata or "", content, part.series, keep_names=False, size=size, pixel=part.pixel)
    return xml, [*remarks, *lost]
