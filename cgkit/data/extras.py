"""Masks, labels and partner images, which are framed and flipped together with the image that they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from cgkit.contracts import ImageRecord, Size
from cgkit.errors import DataError
from cgkit.images.admission import inspect_image
from cgkit.images.formats import Formats
from cgkit.images.pixels import PixelFormat

CLASSES = 255
"""The largest class number of a label map, which is stored as 8-bit grey."""


def move_labels(labels: Tensor, move: Callable[[Tensor], Tensor]) -> Tensor:
    """Move a label map `(1, 1, H, W)` without mixing classes: each pixel takes the class at the place it comes from."""
    height, width = labels.shape[-2:]
    rows = (torch.arange(height) + 0.5) / height
    columns = (torch.arange(width) + 0.5) / width
    origins = move(torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None])[0]
    row = (origins[0] * height).long().clamp(0, height - 1)
    column = (origins[1] * width).long().clamp(0, width - 1)
    return labels[:, :, row, column]


def finish(extras: Mapping[str, Tensor], record: ImageRecord) -> dict[str, Tensor]:
    """Return extras `(1, C, H, W)` in [0, 1] as terms receive them, `(C, H, W)`, and whether the image has them."""
    finished: dict[str, Tensor] = {}
    for name, extra in extras.items():
        values = extra[0]
        if name == "label":
            values = (values * CLASSES).round().long()
        elif name == "partner":
            values = values * 2 - 1 if name in record.extras else values
        finished[name] = values
        finished[f"{name}.present"] = torch.tensor(float(name in record.extras))
    return finished


def blank_extras(needed: Iterable[str], count: int, size: Size, partner_channels: int) -> dict[str, Tensor]:
    """Return a batch of extras, as terms receive them, for images that have none."""
    extras: dict[str, Tensor] = {}
    for name in needed:
        channels = partner_channels if name == "partner" else 1
        dtype = torch.int64 if name == "label" else torch.float32
        extras[name] = torch.zeros(count, channels, *size, dtype=dtype)
        extras[f"{name}.present"] = torch.zeros(count)
    return extras


def check_size(name: str, extra: ImageRecord, values: Tensor, size: Sequence[int], record: ImageRecord) -> None:
    """Check that an extra has the size of its image.

    Raises:
        DataError: it has another size.
    """
    if values.shape[-2:] != tuple(size):
        raise _refuse_size(name, extra, tuple(values.shape[-2:]), record, tuple(size))


def check_extras(
    records: Iterable[ImageRecord],
    needed: Sequence[str],
    pixels: PixelFormat,
    partner: PixelFormat,
    formats: Formats,
) -> list[DataError]:
    """Return the problems of the extras that training needs, as their files' headers show; missing ones are allowed.

    Args:
        records: The images of one domain.
        needed: The names of the extras.
        pixels: The pixel format of that domain.
        partner: The pixel format of the other domain.
        formats: The formats in which image files may be.
    """
    problems: list[DataError] = []
    for record in records if needed else ():
        paths = {name: record.extras[name].path for name in needed if name in record.extras}
        files = {name: path for name, path in paths.items() if path is not None}
        try:
            expected = _read_size(record.path, pixels, formats) if files and record.path is not None else None
        except DataError as error:
            problems.append(error)
            expected = None
        for name, path in files.items():
            own = partner if name == "partner" else PixelFormat(channels=1)
            problems += _check_file(name, path, record, expected, own, formats)
    return problems


def _read_size(path: Path, pixels: PixelFormat, formats: Formats) -> Size:
    header = inspect_image(path, pixels, formats)
    return header.height, header.width


def _check_file(
    name: str, path: Path, record: ImageRecord, expected: Size | None, pixels: PixelFormat, formats: Formats
) -> Iterable[DataError]:
    """Yield the problems of the file of one extra; `expected` is the size of its image, if that is a file."""
    try:
        header = inspect_image(path, pixels, formats)
    except DataError as error:
        yield error
        return
    if name == "label" and (header.channels, header.depth) != (1, "uint8"):
        hint = "save the class numbers as 8-bit grey, not as colours or a palette"
        yield DataError(f"{path}: a label map has one channel of class numbers", hint=hint)
    size = (header.height, header.width)
    if expected is not None and size != expected:
        yield _refuse_size(name, record.extras[name], size, record, expected)


def _refuse_size(
    name: str, extra: ImageRecord, size: tuple[int, ...], record: ImageRecord, expected: tuple[int, ...]
) -> DataError:
    found, wanted = (f"{width}x{height}" for height, width in (size, expected))
    return DataError(
        f"{extra.path or extra.name}: the {name} of {record.name} is {found}, but the image is {wanted}",
        hint="both must have the same size",
    )
