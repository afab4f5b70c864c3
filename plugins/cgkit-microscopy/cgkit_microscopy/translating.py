"""Translate a stack plane by plane, with one set of norm statistics, so that planes do not flicker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cgkit.contracts import FileModel, Statistics
from cgkit.errors import DataError
from cgkit_microscopy.ome import Content
from cgkit_microscopy.planes import Stack
from cgkit_microscopy.selection import Choice, are_bands, select
from cgkit_microscopy.stack_writing import describe, write_stack

AT_ONCE = 4_500_000
"""The most pixels of a plane that is translated at once; larger ones are translated in windows."""

MOST = 256_000_000
"""The most pixels of a plane, which is in memory as a whole."""

Position = tuple[int, ...]


def translate_stack(
    stack: Stack, target: Path, model: FileModel, progress: Callable[[float], None], choice: Choice
) -> list[str]:
    """Translate a stack, and write the translation. Only a few planes are in memory at a time.

    Args:
        stack: the stack.
        target: the file to write.
        model: the model.
        progress: called with the fraction completed so far.
        choice: the options of the format.

    Returns:
        a sentence on each thing that was lost or changed.

    Raises:
        DataError: the stack does not fit the model, or cannot be read.
    """
    if stack.height * stack.width > MOST:
        raise DataError(
            f"has planes of {stack.width:,} x {stack.height:,} pixels", hint="save each plane as a pyramid with tiles"
        )
    selected = select(stack, choice)
    merged = are_bands(stack, selected, model.channels[0], choice)
    images = [selected] if merged else [(channel,) for channel in selected]
    content = _content_of(stack, selected, model, merged=merged)
    remarks = _remark_unselected(stack, selected)
    said = describe(stack, content, keep_names=choice.keep_names)
    planes = _Planes(stack, model, images, colour=content.samples == 3)
    size = content.pages * content.samples * stack.height * stack.width * np.dtype(model.depth).itemsize
    write_stack(target, planes.translated(progress), size, said, stack)
    if stack.height * stack.width > AT_ONCE and len(stack.positions) > 1 and model.samples:
        remarks.append(f"its planes have more than {AT_ONCE:,} pixels, so that each has norm statistics of its own")
    return [*remarks, *said.remarks]


def _content_of(stack: Stack, selected: tuple[int, ...], model: FileModel, *, merged: bool) -> Content:
    """Return what a translation holds: pages of all positions, and for each the channels.

    Raises:
        DataError: the translations of several channels have several channels each.
    """
    written = model.channels[1]
    as_many = merged and written == len(selected) and stack.samples == 1 and written > 1
    colour = written == 3 and not as_many
    each = 1 if colour else written
    if not merged and each > 1 and len(selected) > 1:
        raise DataError(
            f"cannot be translated channel by channel, since each translation has {each} channels",
            hint='set in [[format]] name = "stack" select to one channel',
        )
    count = each if merged else len(selected) * each
    lengths = dict(zip(stack.axes, stack.shape, strict=True))
    axes = stack.axes + "C" * (count > 1)
    kept = selected if count == len(selected) and (colour == (stack.samples >= 3)) else None
    return Content(model.depth, axes, {**lengths, **({"C": count} if count > 1 else {})}, kept, 3 if colour else 1)


def _remark_unselected(stack: Stack, selected: Sequence[int]) -> list[str]:
    left = [number for number in range(stack.channels) if number not in selected]
    if not left:
        return []
    names = [f"{number + 1} ({name})" if (name := _name_of(stack, number)) else str(number + 1) for number in left]
    return [f"channel{'s' * (len(left) > 1)} {', '.join(names)} {'are' if len(left) > 1 else 'is'} left out"]


def _name_of(stack: Stack, number: int) -> str:
    return stack.names[number] if number < len(stack.names) else ""


class _Planes:
    """Translates the images of a stack.

    Args:
        stack: the stack.
        model: the model.
        images: the channels of each image of a position. Those of the same channels share norm statistics.
        colour: whether translations are red, green and blue.
    """

    def __init__(self, stack: Stack, model: FileModel, images: Sequence[tuple[int, ...]], *, colour: bool) -> None:
        self._stack, self._model, self._images, self._colour = stack, model, images, colour
        self._header = stack.header(len(images[0]))

    def translated(self, progress: Callable[[float], None]) -> Iterator[NDArray[Any]]:
        """Yield the planes of the translation, `(H, W)` or `(H, W, 3)`, channels fastest."""
        statistics = [self._collect(channels) for channels in self._images]
        positions = self._stack.positions
        for number, position in enumerate(positions):
            for channels, frozen in zip(self._images, statistics, strict=True):
                values = self._translate(position, channels, frozen)
                if self._colour:
                    yield values
                else:
                    yield from (values[..., channel] for channel in range(values.shape[-1]))
            progress((number + 1) / len(positions))

    @property
    def _in_windows(self) -> bool:
        return self._stack.height * self._stack.width > AT_ONCE

    def _collect(self, channels: tuple[int, ...]) -> Statistics | None:
        """Return the statistics over some positions; None if each image has its own."""
        positions, count = self._stack.positions, self._model.samples
        if self._in_windows or not count:
            return None
        statistics = self._model.statistics()
        for step in np.linspace(0, len(positions) - 1, min(count, len(positions))).round().astype(int):
            with statistics.collecting():
                self._model.translate(self._read(positions[step], channels)[None])
        return statistics

    def _read(self, position: Position, channels: tuple[int, ...]) -> Tensor:
        return self._model.to_unit(self._stack.read(position, channels), self._header)

    def _translate(self, position: Position, channels: tuple[int, ...], statistics: Statistics | None) -> NDArray[Any]:
        if self._in_windows:
            return self._translate_in_windows(self._stack.read(position, channels))
        frozen: AbstractContextManager[object] = nullcontext() if statistics is None else statistics.frozen()
        image = self._read(position, channels)
        with frozen:
            translation = self._model.translate(image[None])[0]
        if translation.shape[-2:] != image.shape[-2:]:
            raise DataError("keeps its size, with its pixel size", hint="leave out --size and --max-side")
        return self._model.to_values(translation)

    def _translate_in_windows(self, values: NDArray[Any]) -> NDArray[Any]:
        size = self._stack.height, self._stack.width
        written = np.empty((*size, self._model.channels[1]), self._model.depth)

        def write(slices: tuple[slice, slice], translation: Tensor) -> None:
            written[slices] = self._model.to_values(translation)

        self._model.translate_windows(
            lambda slices: self._model.to_unit(values[slices], self._header), write, size, lambda share: None
        )
        return written
