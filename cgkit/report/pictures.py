"""Test images over the course of a run, scaled down for embedding in a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageFile

from cgkit.errors import CheckpointError
from cgkit.images.sheet import Column, Sheet, read_sheet

MAX_ROWS = 8
"""The maximum number of test images shown per direction."""
MAX_BYTES = 3_000_000
"""The approximate maximum size, in bytes, of all pictures of a page together."""
CHOICES = ((384, 24), (256, 24), (256, 12), (192, 12), (128, 12), (96, 8), (64, 6))
"""Pairs of a maximum picture side in pixels and a maximum number of steps; the first pair that fits is used."""
SHEET_SIDE = 1120
"""The maximum side, in pixels, of a sheet that is shown whole."""
TITLES = {"truth": "ground truth", "back": "reconstruction"}
"""The headings of columns, by role, if the heading differs from the role."""
QUALITY = 92
"""JPEG quality, without chroma subsampling: a 64 x 64 picture has a PSNR of 37 dB at 3 kB.

(Lossless WebP needs 7 kB; lossy WebP subsamples chroma and does not reach 34 dB at any quality.)
"""


@dataclass(frozen=True)
class Picture:
    """A picture embedded in the page.

    Attributes:
        source: its `data:` URL.
        width: its width in pixels.
        height: its height in pixels.
    """

    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Cell:
    """One picture of a row over the course of training.

    Attributes:
        role: `source`, `translation`, `truth` or `back`.
        title: its heading.
        pictures: one picture for each step shown, or a single picture if it is the same at every step.
    """

    role: str
    title: str
    pictures: tuple[Picture, ...]

    @property
    def last(self) -> Picture:
        """The picture of the last step."""
        return self.pictures[-1]


@dataclass(frozen=True)
class Row:
    """A test image with its translation, and with its ground truth and its reconstruction if there are any."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Gallery:
    """The test images over the course of training.

    Attributes:
        steps: the steps shown, in order.
        directions: the test images by direction; sheets without a layout are shown whole, under direction `""`.
        remarks: sentences on what is not shown and why.
    """

    steps: tuple[int, ...]
    directions: Mapping[str, tuple[Row, ...]]
    remarks: tuple[str, ...] = ()

    @property
    def aligned(self) -> bool:
        """Whether the ground truth is shown."""
        return self._shows("truth")

    @property
    def reconstructed(self) -> bool:
        """Whether reconstructions are shown."""
        return self._shows("back")

    def _shows(self, role: str) -> bool:
        return any(cell.role == role for rows in self.directions.values() for row in rows for cell in row.cells)


def gallery(sheets: Mapping[int, Path]) -> Gallery | None:
    """Return the test images of a run; None if no sheet can be read.

    Args:
        sheets: the sample sheets by step, in order.
    """
    remarks: list[str] = []
    readable = dict(_read_sheets(_pick_evenly(list(sheets), CHOICES[0][1]), sheets, remarks))
    if not readable:
        return None
    newest = readable[max(readable)]
    compatible = {
        step: sheet for step, sheet in readable.items() if _describe_layout(sheet) == _describe_layout(newest)
    }
    if len(compatible) < len(readable):
        remarks.append(f"Not shown: {len(readable) - len(compatible)} earlier sheets with a different layout.")
    shown = _fit_gallery(compatible) if isinstance(newest, Sheet) else _show_whole_sheets(compatible)
    if len(shown.steps) < len(sheets):
        remarks.append(f"{len(shown.steps)} of {len(sheets)} sample sheets are shown.")
    if isinstance(newest, Sheet) and newest.rows > MAX_ROWS:
        remarks.append(f"{MAX_ROWS} test images per direction are shown; the sheets in samples/ have more.")
    return replace(shown, remarks=tuple(remarks))


def picture(image: Image.Image, side: int) -> Picture:
    """Encode an image as a picture whose longest side is at most `side`."""
    image = _shrink(image, side)
    encoded = io.BytesIO()
    # Optimised Huffman tables shrink small pictures by a quarter, but hardly help large ones. For such tables,
    # Pillow must buffer the whole file, in MAXBLOCK bytes or, if that is more, in one byte per pixel. Noise takes two
    # bytes per pixel, so a large noisy picture would raise an error.
    optimize = 3 * image.width * image.height <= ImageFile.MAXBLOCK
    image.save(encoded, format="JPEG", quality=QUALITY, subsampling=0, optimize=optimize)
    text = base64.b64encode(encoded.getvalue()).decode()
    return Picture(f"data:image/jpeg;base64,{text}", *image.size)


def _read_sheets(
    steps: Sequence[int], sheets: Mapping[int, Path], remarks: list[str]
) -> Iterator[tuple[int, Sheet | Image.Image]]:
    for step in steps:
        try:
            yield step, _shrink_sheet(read_sheet(sheets[step]))
        except CheckpointError as error:
            remarks.append(str(error))


def _shrink_sheet(sheet: Sheet | Image.Image) -> Sheet | Image.Image:
    """Reduce a sheet to what may be shown: dozens of full-size sheets would not fit in memory."""
    if isinstance(sheet, Image.Image):
        return _shrink(sheet, SHEET_SIDE)
    columns = tuple(
        # An extra row is kept as a sign that the sheet has more rows than are shown.
        replace(column, pictures=tuple(_shrink(image, CHOICES[0][0]) for image in column.pictures[: MAX_ROWS + 1]))
        for column in sheet.columns
    )
    return replace(sheet, columns=columns)


def _shrink(image: Image.Image, side: int) -> Image.Image:
    """Return the image, scaled down if its longest side exceeds `side`."""
    if max(image.size) <= side:
        return image
    smaller = image.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _pick_evenly(steps: Sequence[int], limit: int) -> list[int]:
    """Return at most `limit` steps, evenly spaced, including the first and the last."""
    if len(steps) <= limit:
        return list(steps)
    return [steps[round(index * (len(steps) - 1) / (limit - 1))] for index in range(limit)]


def _describe_layout(sheet: Sheet | Image.Image) -> object:
    if not isinstance(sheet, Sheet):
        return None
    kinds = tuple((column.direction, column.role, len(column.pictures)) for column in sheet.columns)
    return kinds, sheet.images, sheet.columns[0].pictures[0].size


def _show_whole_sheets(sheets: Mapping[int, Sheet | Image.Image]) -> Gallery:
    known = {step: sheet for step, sheet in sheets.items() if isinstance(sheet, Image.Image)}
    newest = len(picture(known[max(known)], SHEET_SIDE).source)
    steps = _pick_evenly(list(known), max(2, min(CHOICES[0][1], MAX_BYTES // newest)))
    cell = Cell("sheet", "all test images", tuple(picture(known[step], SHEET_SIDE) for step in steps))
    return Gallery(tuple(steps), {"": (Row("", (cell,)),)})


def _fit_gallery(sheets: Mapping[int, Sheet | Image.Image]) -> Gallery:
    """Return the gallery for the first of `CHOICES` that fits; its size is estimated from the first and last sheet."""
    known = {step: sheet for step, sheet in sheets.items() if isinstance(sheet, Sheet)}
    ends = {step: known[step] for step in _pick_evenly(list(known), 2)}
    for side, limit in CHOICES:
        steps = _pick_evenly(list(known), limit)
        if _count_bytes(_build_gallery(ends, side)) * len(steps) / len(ends) <= MAX_BYTES:
            break
    return _build_gallery({step: known[step] for step in steps}, side)


def _build_gallery(sheets: Mapping[int, Sheet], side: int) -> Gallery:
    columns = list(zip(*(sheet.columns for sheet in sheets.values()), strict=True))
    directions: dict[str, tuple[Row, ...]] = {}
    for direction in dict.fromkeys(column.direction for column, *_ in columns):
        own = [versions for versions in columns if versions[0].direction == direction]
        names = list(sheets.values())[-1].names.get(direction[0], ())
        rows = min(MAX_ROWS, *(len(versions[0].pictures) for versions in own))
        directions[direction] = tuple(
            Row(names[row] if row < len(names) else "", tuple(_build_cell(versions, row, side) for versions in own))
            for row in range(rows)
        )
    return Gallery(tuple(sheets), directions)


def _build_cell(versions: Sequence[Column], row: int, side: int) -> Cell:
    column = versions[-1]
    changes = column.role in ("translation", "back")
    shown = versions if changes else versions[-1:]
    title = TITLES.get(column.role, column.role)
    return Cell(column.role, title, tuple(picture(version.pictures[row], side) for version in shown))


def _count_bytes(shown: Gallery) -> int:
    cells = [cell for rows in shown.directions.values() for row in rows for cell in row.cells]
    return sum(len(version.source) for cell in cells for version in cell.pictures)
