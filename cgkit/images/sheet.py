"""Sample sheets: PNG files of several test images, with the layout in a text chunk for splitting them again."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, PngImagePlugin

from cgkit.errors import CheckpointError
from cgkit.files.reading import read_bytes

GAP = 4
HEADER = 16
KEYWORD = "cgkit-sheet"
"""The keyword of the PNG text chunk that holds the layout."""
FORMAT = 1
LARGEST = 1 << 29
"""The most bytes of a sheet."""
UNREADABLE = (
    *(OSError, SyntaxError, Image.DecompressionBombError),  # what Pillow raises
    *(ValueError, TypeError, LookupError, OverflowError, RecursionError),  # and what an invalid layout raises
)


@dataclass(frozen=True)
class Column:
    """The images of one role, from top to bottom.

    Attributes:
        direction: `a2b` or `b2a`.
        role: `source`, `translation`, `truth` or `back` (the reconstruction).
        pictures: one picture for each test image, all of the same size.
        domains: what domains a and b are called.
    """

    direction: str
    role: str
    pictures: tuple[Image.Image, ...]
    domains: tuple[str, str] = ("a", "b")

    @property
    def title(self) -> str:
        """The heading of the column, with the names of the domains if there is room for those of all columns."""
        width, draw = self.pictures[0].width, ImageDraw.Draw(self.pictures[0])
        fits = all(draw.textlength(f"back to {name}") <= width for name in self.domains)
        a, b = self.domains if fits else ("a", "b")
        source, target = (a, b) if self.direction == "a2b" else (b, a)
        titles = {"source": source, "translation": f"to {target}", "truth": f"real {target}"}
        return titles.get(self.role, f"back to {source}")


@dataclass(frozen=True)
class Sheet:
    """Test images of both domains, with their translations and reconstructions.

    Attributes:
        columns: the columns of direction a2b, followed by those of b2a; untrained directions have none.
        names: the names of the test images, by domain.
        images: a hash that identifies the test images; empty if unknown.
    """

    columns: tuple[Column, ...]
    names: Mapping[str, tuple[str, ...]]
    images: str = ""

    @property
    def rows(self) -> int:
        """The number of rows: the number of test images of the domain that has more."""
        return max(len(column.pictures) for column in self.columns)

    def picture(self) -> Image.Image:
        """Return the sheet as one picture, with a title above each column."""
        width, height = self._tile()
        sheet_width = len(self.columns) * (width + GAP) + 3 * GAP
        picture = Image.new("RGB", (sheet_width, HEADER + self.rows * (height + GAP) + GAP), "white")
        draw = ImageDraw.Draw(picture)
        for number, column in enumerate(self.columns):
            left = self._left(number)
            draw.text((left, 2), column.title, fill="black")
            for row, image in enumerate(column.pictures):
                picture.paste(image, (left, self._top(row)))
        return picture

    def write(self, file: Path) -> None:
        """Write a PNG file that `read_sheet` can split again.

        Raises:
            OSError: the file cannot be written.
        """
        chunks = PngImagePlugin.PngInfo()
        chunks.add_itxt(KEYWORD, json.dumps(self._layout()))
        self.picture().save(file, format="PNG", pnginfo=chunks)

    def _layout(self) -> dict[str, Any]:
        columns = [
            {
                "direction": column.direction,
                "role": column.role,
                "left": self._left(number),
                "tops": [self._top(row) for row in range(len(column.pictures))],
            }
            for number, column in enumerate(self.columns)
        ]
        names = {side: list(names) for side, names in self.names.items()}
        return {"format": FORMAT, "tile": self._tile(), "columns": columns, "names": names, "images": self.images}

    def _tile(self) -> tuple[int, int]:
        return self.columns[0].pictures[0].size

    def _left(self, column: int) -> int:
        # The gap between the two directions is wider.
        apart = 2 * GAP if self.columns[column].direction != self.columns[0].direction else 0
        return GAP + column * (self._tile()[0] + GAP) + apart

    def _top(self, row: int) -> int:
        return HEADER + row * (self._tile()[1] + GAP)


def list_sheets(run: Path) -> dict[int, Path]:
    """Return the files of a run's sample sheets by step, in order."""
    named = [(re.fullmatch(r"step-(\d+)\.png", file.name), file) for file in (run / "samples").glob("step-*")]
    return dict(sorted((int(match[1]), file) for match, file in named if match))


def read_sheet(file: Path) -> Sheet | Image.Image:
    """Read a sheet and split it; return the whole picture if the file has no layout.

    Raises:
        CheckpointError: the file is not a PNG image, or its layout does not fit the image.
    """
    try:
        with Image.open(io.BytesIO(read_bytes(file, LARGEST)), formats=["PNG"]) as opened:
            opened.load()
            picture = opened.convert("RGB")
            text = getattr(opened, "text", {}).get(KEYWORD)
        return picture if text is None else _split(picture, json.loads(text))
    except UNREADABLE as error:
        raise CheckpointError(f"{file} is not a sample sheet: {error}") from error


def _split(picture: Image.Image, layout: Mapping[str, Any]) -> Sheet | Image.Image:
    if layout["format"] != FORMAT:
        return picture
    width, height = map(int, layout["tile"])
    count = sum(len(column["tops"]) for column in layout["columns"])
    if min(width, height) < 1 or count * width * height > picture.width * picture.height:
        raise ValueError("its layout has more images than fit the picture")
    columns = tuple(
        Column(str(column["direction"]), str(column["role"]), _crop_column(picture, column, (width, height)))
        for column in layout["columns"]
    )
    if not columns or not all(column.pictures for column in columns):
        raise ValueError("its layout has no images")
    names = {str(side): tuple(map(str, names)) for side, names in dict(layout["names"]).items()}
    return Sheet(columns, names, str(layout["images"]))


def _crop_column(picture: Image.Image, column: Mapping[str, Any], size: tuple[int, int]) -> tuple[Image.Image, ...]:
    left, width, height = int(column["left"]), *size
    pictures = []
    for top in map(int, column["tops"]):
        if min(left, top) < 0 or left + width > picture.width or top + height > picture.height:
            raise ValueError("its layout places an image outside the picture")
        pictures.append(picture.crop((left, top, left + width, top + height)))
    return tuple(pictures)
