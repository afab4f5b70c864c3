"""The test images over time, small enough to be part of a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageFile

from cgkit.errors import CheckpointError
from cgkit.runs.sample_sheet import Column, Sheet, read_sheet

MOST_ROWS = 8
"""Test images of each direction that are shown."""
MOST_BYTES = 3_000_000
"""How large all pictures of a page may be together, about."""
CHOICES = ((384, 24), (256, 24), (256, 12), (192, 12), (128, 12), (96, 8), (64, 6))
"""The longest side of a picture, and how many steps are shown: the first of these that fits is taken."""
SHEET_SIDE = 1120
"""The longest side of a sheet that is shown whole."""
QUALITY = 92
"""Of JPEG, with colours as fine as brightness: at 64 pixels a picture is within 37 dB of its original, in 3 kB.

(WebP without loss takes 7 kB; with loss its colours are half as fine, and no quality comes within 34 dB.)
"""


@dataclass(frozen=True)
class Picture:
    """A picture that is part of the page.

    Attributes:
        source: a `data:` URL of it.
        width: in pixels.
        height: in pixels.
    """

    source: str
    width: int
    height: int


@dataclass(frozen=True)
class Cell:
    """One place among the test images, with what stood there over time.

    Attributes:
        role: `source`, `translation`, `truth` or `back`.
        title: what to call that.
        pictures: one for every step shown, or a single one where it never changes.
    """

    role: str
    title: str
    pictures: tuple[Picture, ...]

    @property
    def last(self) -> Picture:
        """What stands there at the end."""
        return self.pictures[-1]


@dataclass(frozen=True)
class Row:
    """A test image with its translation, the truth where it is known, and the way back."""

    name: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Gallery:
    """The test images over time.

    Attributes:
        steps: those that are shown, in order.
        directions: by direction, the test images; a sheet that cannot be taken apart is the one row of `""`.
        remarks: what is not shown, and why.
    """

    steps: tuple[int, ...]
    directions: Mapping[str, tuple[Row, ...]]
    remarks: tuple[str, ...] = ()

    @property
    def aligned(self) -> bool:
        """Whether the truth is shown."""
        return any(cell.role == "truth" for rows in self.directions.values() for row in rows for cell in row.cells)


def gallery(sheets: Mapping[int, Path]) -> Gallery | None:
    """Return the test images of a run; None where no sheet can be read.

    Args:
        sheets: by step, in order.
    """
    remarks: list[str] = []
    readable = dict(_read(_spread(list(sheets), CHOICES[0][1]), sheets, remarks))
    if not readable:
        return None
    newest = readable[max(readable)]
    alike = {step: sheet for step, sheet in readable.items() if _shape(sheet) == _shape(newest)}
    if len(alike) < len(readable):
        remarks.append(f"{len(readable) - len(alike)} earlier sheets have another layout and are not shown.")
    made = _fitting(alike) if isinstance(newest, Sheet) else _whole(alike)
    if len(made.steps) < len(sheets):
        remarks.append(f"{len(made.steps)} of {len(sheets)} sheets are shown.")
    if isinstance(newest, Sheet) and newest.rows > MOST_ROWS:
        remarks.append(f"{MOST_ROWS} test images of each direction are shown; the sheets have more.")
    return replace(made, remarks=tuple(remarks))


def picture(image: Image.Image, side: int) -> Picture:
    """Return a picture whose longest side is no longer than `side`."""
    image = _at_most(image, side)
    encoded = io.BytesIO()
    # Tables of its own make a small picture a quarter smaller, and a large one hardly. Pillow must hold such a picture
    # whole, in MAXBLOCK bytes or in one for each pixel; noise takes two, and would be an error.
    own_tables = 3 * image.width * image.height <= ImageFile.MAXBLOCK
    image.save(encoded, format="JPEG", quality=QUALITY, subsampling=0, optimize=own_tables)
    text = base64.b64encode(encoded.getvalue()).decode()
    return Picture(f"data:image/jpeg;base64,{text}", *image.size)


def _read(
    steps: Sequence[int], sheets: Mapping[int, Path], remarks: list[str]
) -> Iterator[tuple[int, Sheet | Image.Image]]:
    for step in steps:
        try:
            yield step, _reduced(read_sheet(sheets[step]))
        except CheckpointError as error:
            remarks.append(str(error))


def _reduced(sheet: Sheet | Image.Image) -> Sheet | Image.Image:
    """Return no more than may be shown of a sheet: two dozen of large images would fill the memory."""
    if isinstance(sheet, Image.Image):
        return _at_most(sheet, SHEET_SIDE)
    columns = tuple(
        # One row more than is shown tells that there are more.
        replace(column, pictures=tuple(_at_most(image, CHOICES[0][0]) for image in column.pictures[: MOST_ROWS + 1]))
        for column in sheet.columns
    )
    return replace(sheet, columns=columns)


def _at_most(image: Image.Image, side: int) -> Image.Image:
    """Return an image whose longest side is no longer than `side`."""
    if max(image.size) <= side:
        return image
    smaller = image.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _spread(steps: Sequence[int], most: int) -> list[int]:
    """Return at most so many of the steps, evenly spread, the first and the last among them."""
    if len(steps) <= most:
        return list(steps)
    return [steps[round(place * (len(steps) - 1) / (most - 1))] for place in range(most)]


def _shape(sheet: Sheet | Image.Image) -> object:
    if not isinstance(sheet, Sheet):
        return None
    kinds = tuple((column.direction, column.role, len(column.pictures)) for column in sheet.columns)
    return kinds, sheet.images, sheet.columns[0].pictures[0].size


def _whole(sheets: Mapping[int, Sheet | Image.Image]) -> Gallery:
    known = {step: sheet for step, sheet in sheets.items() if isinstance(sheet, Image.Image)}
    newest = len(picture(known[max(known)], SHEET_SIDE).source)
    shown = _spread(list(known), max(2, min(CHOICES[0][1], MOST_BYTES // newest)))
    cell = Cell("sheet", "all test images", tuple(picture(known[step], SHEET_SIDE) for step in shown))
    return Gallery(tuple(shown), {"": (Row("", (cell,)),)})


def _fitting(sheets: Mapping[int, Sheet | Image.Image]) -> Gallery:
    """Return as many steps in as large pictures as fit; the first and the last sheet tell how large the others are."""
    known = {step: sheet for step, sheet in sheets.items() if isinstance(sheet, Sheet)}
    ends = {step: known[step] for step in _spread(list(known), 2)}
    for side, most in CHOICES:
        shown = _spread(list(known), most)
        if _size(_made(ends, side)) * len(shown) / len(ends) <= MOST_BYTES:
            break
    return _made({step: known[step] for step in shown}, side)


def _made(sheets: Mapping[int, Sheet], side: int) -> Gallery:
    columns = list(zip(*(sheet.columns for sheet in sheets.values()), strict=True))
    directions: dict[str, tuple[Row, ...]] = {}
    for direction in dict.fromkeys(column.direction for column, *_ in columns):
        own = [over_time for over_time in columns if over_time[0].direction == direction]
        names = list(sheets.values())[-1].names.get(direction[0], ())
        rows = min(MOST_ROWS, *(len(column.pictures) for column in (over_time[0] for over_time in own)))
        directions[direction] = tuple(
            Row(names[row] if row < len(names) else "", tuple(_cell(over_time, row, side) for over_time in own))
            for row in range(rows)
        )
    return Gallery(tuple(sheets), directions)


def _cell(over_time: Sequence[Column], row: int, side: int) -> Cell:
    column = over_time[-1]
    changes = column.role in ("translation", "back")
    shown = over_time if changes else over_time[-1:]
    return Cell(column.role, column.title, tuple(picture(one.pictures[row], side) for one in shown))


def _size(made: Gallery) -> int:
    cells = [cell for rows in made.directions.values() for row in rows for cell in row.cells]
    return sum(len(one.source) for cell in cells for one in cell.pictures)
