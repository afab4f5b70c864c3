"""Looking at every image's header before training begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cgkit.contracts import ImageRecord, Size
from cgkit.data.admission import inspect_image
from cgkit.errors import DataError


@dataclass(frozen=True)
class Inspection:
    """What the headers of some images say.

    Attributes:
        problems: one error for each image that cannot be used.
        sizes: height and width of each image that has a file and can be used.
    """

    problems: tuple[DataError, ...]
    sizes: tuple[Size, ...]

    def describe(self) -> str:
        """Return the sizes in words: `256x256`, or `200x150 to 640x480` (width x height, smallest to largest)."""
        if not self.sizes:
            return "generated"
        ordered = sorted(self.sizes, key=lambda size: size[0] * size[1])
        smallest, largest = (f"{width}x{height}" for height, width in (ordered[0], ordered[-1]))
        return smallest if smallest == largest else f"{smallest} to {largest}"


def check_images(records: Iterable[ImageRecord], *, at_least: Size = (1, 1)) -> Inspection:
    """Read every header; images that are no files (rendered, or bytes that a source fetches) are passed over.

    Args:
        records: the images of one domain.
        at_least: the height and width that an image must have.
    """
    problems: list[DataError] = []
    sizes: list[Size] = []
    for record in records:
        if record.path is None:
            continue
        try:
            header = inspect_image(record.path)
        except DataError as error:
            problems.append(error)
            continue
        if header.height < at_least[0] or header.width < at_least[1]:
            needed = f"{at_least[1]}x{at_least[0]}"
            problems.append(
                DataError(
                    f"{record.path}: {header.width}x{header.height} is smaller than the {needed} that are cut from it",
                    hint="remove it, or let it be resized",
                )
            )
        sizes.append((header.height, header.width))
    return Inspection(tuple(problems), tuple(sizes))
