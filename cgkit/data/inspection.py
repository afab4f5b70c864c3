"""Check the headers of all images before training."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cgkit.abilities import paths_of
from cgkit.contracts import Domain, ImageHeader, ImageRecord, Size
from cgkit.data.preparation import fetch
from cgkit.errors import DataError
from cgkit.images.admission import inspect_image
from cgkit.images.encoded import EncodedImage
from cgkit.images.known_headers import KnownHeaders
from cgkit.images.pixels import WRITTEN_AS, PixelFormat, misfit
from cgkit.images.reading import extremes_of


@dataclass(frozen=True)
class Inspection:
    """The result of checking the headers of a set of images.

    Attributes:
        problems: An error for each unusable image, except that a missing range is reported only once.
        sizes: Height and width of the image files that fit their domain, even if they are too small, each with the
            number of these files.
        depths: The types of values in these files, each with the first file that has it.
        channels: The numbers of channels in these files, each once, in ascending order.
        notes: What the files hold that is not used, and how many files do: `the first of its 2 pictures is used: 4`.
        bytes: The size in bytes of each image's file, if all can be used; 0 for an image that is no file.
    """

    problems: tuple[DataError, ...]
    sizes: Mapping[Size, int]
    depths: tuple[tuple[str, Path], ...] = ()
    channels: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    bytes: array[int] = field(default_factory=lambda: array("q"))

    def describe(self) -> str:
        """Return the sizes as text: `256x256`, or `200x150 to 640x480` (width x height, smallest to largest)."""
        if not self.sizes:
            return "rendered by the source"
        ordered = sorted(self.sizes, key=lambda size: size[0] * size[1])
        smallest, largest = (f"{width}x{height}" for height, width in (ordered[0], ordered[-1]))
        return smallest if smallest == largest else f"{smallest} to {largest}"

    def describe_values(self) -> str:
        """Return the channels and types as text: `3 channels of uint8`, or `1 or 3 channels of uint16`."""
        if not self.sizes:
            return "rendered by the source"
        channels = " or ".join(map(str, self.channels))
        depths = " and ".join(depth for depth, _ in self.depths)
        return f"{channels} channel{'s' * (channels != '1')} of {depths}"


def check_images(
    domain: Domain | Sequence[ImageRecord], headers: KnownHeaders | None = None, *, at_least: Size = (1, 1)
) -> Inspection:
    """Read the header of every image file, and of the first image that a source fetches as bytes.

    Images that a source renders are skipped.

    Args:
        domain: The images of one domain.
        headers: What reads the headers of the domain's files; by default 8-bit colour of the formats that ship with
            cgkit.
        at_least: The minimum height and width, in pixels.
    """
    headers = headers or KnownHeaders(PixelFormat())
    problems: list[DataError] = []
    files: dict[ImageHeader, list[str | EncodedImage]] = defaultdict(list)
    lengths = array("q")
    fetched = False
    for index, path in enumerate(paths_of(domain)):
        length = 0
        try:
            if path is not None:
                header, length = headers.inspect(path)
                files[header].append(path)
            elif not fetched and (encoded := domain[index].encoded) is not None:
                image = fetch(domain[index].name, encoded)
                fetched = True
                files[inspect_image(image, headers.pixels, headers.formats)].append(image)
        except DataError as error:
            problems.append(error)
        lengths.append(length)
    undeclared = [header for header in files if not headers.pixels.has_range_of(header.depth)]
    if undeclared:  # reported only for the first such file
        problems.insert(0, _describe_missing_range(files[undeclared[0]][0], headers))
    depths: dict[str, Path] = {}
    sizes: Counter[Size] = Counter()
    notes: Counter[str] = Counter()
    channels: set[int] = set()
    for header, found in files.items():
        if (fault := misfit(header, headers.pixels)) is not None:
            if header not in undeclared:
                problems += [DataError(f"{file}: {fault.message}", hint=fault.hint) for file in found]
            continue
        depths.setdefault(header.depth, Path(str(found[0])))
        channels.add(header.channels)
        notes.update(dict.fromkeys(header.notes, len(found)))
        if not isinstance(found[0], EncodedImage):
            sizes[header.height, header.width] += len(found)
            if header.height < at_least[0] or header.width < at_least[1]:
                problems += [_describe_too_small(str(file), header, at_least) for file in found]
    counted = tuple(f"{note}: {count} image{'s' * (count != 1)}" for note, count in notes.items())
    return Inspection(tuple(problems), sizes, tuple(depths.items()), tuple(sorted(channels)), counted, lengths)


def common_depth(inspections: Sequence[Inspection]) -> str | None:
    """Return the depth in which to write translations into a domain, or None if the domain has no files.

    It is the depth of the domain's files, or the depth that replaces it in `WRITTEN_AS`.

    Args:
        inspections: The inspections of all sets of images of the domain.

    Raises:
        DataError: The files of the domain have different depths.
    """
    depths: dict[str, Path] = {}
    for inspection in inspections:
        for depth, path in inspection.depths:
            depths.setdefault(WRITTEN_AS.get(depth, depth), path)
    if len(depths) > 1:
        (depth_1, path_1), (depth_2, path_2), *_ = depths.items()
        raise DataError(
            f"a domain contains images of different depths: {path_1} is {depth_1}, {path_2} is {depth_2}",
            hint="convert the files of one depth, or declare data.depth if equal values mean the same in both",
        )
    return next(iter(depths), None)


def _describe_too_small(path: str, header: ImageHeader, at_least: Size) -> DataError:
    needed = f"{at_least[1]}x{at_least[0]}"
    return DataError(
        f"{path}: {header.width}x{header.height} is smaller than the {needed} crop",
        hint="remove it, or let the framing resize images",
    )


def _describe_missing_range(file: str | EncodedImage, headers: KnownHeaders) -> DataError:
    path = Path(file) if isinstance(file, str) else file
    low, high = extremes_of(path, headers.pixels, headers.formats)
    depth = inspect_image(path, headers.pixels, headers.formats).depth
    return DataError(
        f"{path}: contains {depth} values, here from {low:g} to {high:g}, but no range is declared for them",
        hint="declare it under [data]: range = [LOWEST, HIGHEST], or range = { b = [LOWEST, HIGHEST] } for one domain",
    )
