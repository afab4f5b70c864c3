"""Looking at every image's header before training begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cgkit.contracts import ImageRecord, Size
from cgkit.errors import DataError
from cgkit.images.admission import inspect_image
from cgkit.images.header import ImageHeader
from cgkit.images.pixels import WRITTEN_AS, PixelFormat, misfit
from cgkit.images.reading import extremes_of


@dataclass(frozen=True)
class Inspection:
    """What the headers of some images say.

    Attributes:
        problems: one error for each image that cannot be used.
        sizes: height and width of each image that has a file and can be used.
        depths: the types of values, each with the first file that has it.
        channels: how many channels the files have.
    """

    problems: tuple[DataError, ...]
    sizes: tuple[Size, ...]
    depths: tuple[tuple[str, Path], ...] = ()
    channels: tuple[int, ...] = ()

    def describe(self) -> str:
        """Return the sizes in words: `256x256`, or `200x150 to 640x480` (width x height, smallest to largest)."""
        if not self.sizes:
            return "generated"
        ordered = sorted(self.sizes, key=lambda size: size[0] * size[1])
        smallest, largest = (f"{width}x{height}" for height, width in (ordered[0], ordered[-1]))
        return smallest if smallest == largest else f"{smallest} to {largest}"

    def describe_values(self) -> str:
        """Return what is in the files in words: `3 channels of uint8`, or `1 or 3 channels of uint16`."""
        if not self.sizes:
            return "generated"
        channels = " or ".join(map(str, self.channels))
        depths = " and ".join(depth for depth, _ in self.depths)
        return f"{channels} channel{'s' * (channels != '1')} of {depths}"


def check_images(
    records: Iterable[ImageRecord], pixels: PixelFormat | None = None, *, at_least: Size = (1, 1)
) -> Inspection:
    """Read every header; images that are no files (rendered, or bytes that a source fetches) are passed over.

    Args:
        records: the images of one domain.
        pixels: what the domain's images are like; by default colour of 8 bits.
        at_least: the height and width that an image must have.
    """
    pixels = pixels or PixelFormat()
    problems: list[DataError] = []
    sizes: list[Size] = []
    depths: dict[str, Path] = {}
    channels: set[int] = set()
    undeclared: Path | None = None
    for record in records:
        if record.path is None:
            continue
        try:
            header = inspect_image(record.path, pixels)
            if not pixels.has_range_of(header.depth):  # one example tells as much as a thousand
                undeclared = undeclared or record.path
                continue
            if (problem := misfit(header, pixels)) is not None:
                raise DataError(f"{record.path}: {problem.message}", hint=problem.hint)
        except DataError as error:
            problems.append(error)
            continue
        if header.height < at_least[0] or header.width < at_least[1]:
            problems.append(_too_small(record.path, header, at_least))
        sizes.append((header.height, header.width))
        depths.setdefault(header.depth, record.path)
        channels.add(header.channels)
    if undeclared is not None:
        problems.insert(0, _without_range(undeclared, pixels))
    return Inspection(tuple(problems), tuple(sizes), tuple(depths.items()), tuple(sorted(channels)))


def common_depth(found: Sequence[Inspection]) -> str | None:
    """Return the depth in which translations into a domain are written: that of its files; None where there are none.

    Raises:
        DataError: its files have several.
    """
    seen = [entry for one in found for entry in one.depths]
    depths: dict[str, Path] = {}
    for depth, path in seen:
        depths.setdefault(WRITTEN_AS.get(depth, depth), path)
    if len(depths) > 1:
        (one, first), (other, second), *_ = depths.items()
        raise DataError(
            f"a domain holds images of several depths: {first} of {one}, {second} of {other}",
            hint="convert one kind; or, where the same values mean the same in both, declare data.depth",
        )
    return next(iter(depths), None)


def _too_small(path: Path, header: ImageHeader, at_least: Size) -> DataError:
    needed = f"{at_least[1]}x{at_least[0]}"
    return DataError(
        f"{path}: {header.width}x{header.height} is smaller than the {needed} that are cut from it",
        hint="remove it, or let it be resized",
    )


def _without_range(path: Path, pixels: PixelFormat) -> DataError:
    """Return what to declare for a file of which nothing says what is black and what is white."""
    low, high = extremes_of(path, pixels)
    depth = inspect_image(path, pixels).depth
    return DataError(
        f"{path}: holds {depth} values, here from {low:g} to {high:g}, and nothing says which are black and white",
        hint="declare it under [data]: range = [LOWEST, HIGHEST], or range = { b = [LOWEST, HIGHEST] } for one domain",
    )
