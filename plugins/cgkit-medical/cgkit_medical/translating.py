"""Translate a volume, slice by slice, with one set of norm statistics for all slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgkit.contracts import FileModel, ImageHeader
from cgkit.errors import DataError
from cgkit_medical.damage import damage_explained
from cgkit_medical.foreground import filled_slices
from cgkit_medical.padding import padding_of, restore, without_padding
from cgkit_medical.slicing import AXES, Axis, as_stack, with_neighbours
from cgkit_medical.volume import Volume

BATCH = 4
"""Number of slices that are translated at once."""


@dataclass(frozen=True)
class Slicing:
    """How a model sees volumes.

    Attributes:
        axis: along which axis slices follow each other.
        neighbours: number of slices on either side that are channels of a slice.
        padding: values declared to be padding; None to look for the usual ones.
    """

    axis: Axis
    neighbours: int
    padding: Sequence[float] | None


def translate_volume(
    volume: Volume,
    target: Path,
    model: FileModel,
    progress: Callable[[float], None],
    default_axis: Axis = "axial",
) -> list[str]:
    """Translate a volume and write the translation.

    Padding is seen as the low end of the model's range, and written unchanged. Of slices with neighbours, the middle
    one of a translation is written.

    Args:
        volume: the volume.
        target: the path to write to.
        model: the model.
        progress: called with the fraction completed so far.
        default_axis: the axis of slices for models that were not trained on volumes.

    Returns:
        a sentence on each thing that was lost or changed.

    Raises:
        DataError: the volume does not fit the model.
    """
    slicing, remarks = _slicing_of(model, default_axis)
    with damage_explained():
        values = volume.read()
    mask = padding_of(values, volume, slicing.padding)
    stack = as_stack(without_padding(values, mask), volume.affine, slicing.axis)
    filled = filled_slices(stack, as_stack(mask, volume.affine, slicing.axis), least=0.0)
    written = np.empty(volume.shape, model.depth)
    slices = _Slices(stack, slicing.neighbours, model)
    slices.translate(as_stack(written, volume.affine, slicing.axis), filled, progress)
    lost, padding = restore(written, values, mask, slices.lowest())
    if mask.any():
        remarks.append(f"{mask.sum() - lost:,} voxels of padding were written unchanged")
    if lost:
        remarks.append(f"{lost:,} voxels of padding were not kept, since {model.depth} cannot hold their values")
    if slices.averaged:
        remarks.append(f"its values are the mean of {model.channels[1]} channels; train with data.channels = 1")
    return [*remarks, *volume.write(target, written, padding)]


def _slicing_of(model: FileModel, default_axis: Axis) -> tuple[Slicing, list[str]]:
    """Return how a model sees volumes, and what is to be said about it."""
    options = model.data
    if "neighbours" in options and options.get("axis") in AXES:
        neighbours = int(options["neighbours"])
        _check_channels(model, neighbours)
        return Slicing(options["axis"], neighbours, options.get("padding")), []
    _check_channels(model, 0)
    remark = f'its slices are {default_axis}: the model was trained on images, not with the source "volumes"'
    return Slicing(default_axis, 0, None), [remark]


def _check_channels(model: FileModel, neighbours: int) -> None:
    seen, needed = model.channels[0], 2 * neighbours + 1
    if seen != needed and not (neighbours == 0 and seen == 3):
        raise DataError(f"the model translates images of {seen} channels, but a slice of this volume has {needed}")


class _Slices:
    """Translates the slices of a volume.

    Args:
        stack: the slices, `(slices, rows, columns)`.
        neighbours: number of slices on either side that are channels of a slice.
        model: the model.
    """

    def __init__(self, stack: NDArray[Any], neighbours: int, model: FileModel) -> None:
        self._stack, self._neighbours, self._model = stack, neighbours, model
        channels = 2 * neighbours + 1
        size = stack.shape[2], stack.shape[1]
        layout: Any = "grey" if channels == 1 else "bands"
        self._header = ImageHeader(*size, channels, "volume", stack.dtype.name, layout)
        self.averaged = neighbours == 0 and model.channels[1] > 1

    def translate(self, written: NDArray[Any], filled: Sequence[int], progress: Callable[[float], None]) -> None:
        """Translate all slices into `written`; statistics are collected over some of the `filled` ones."""
        statistics = self._model.statistics()
        chosen = _spread(filled, self._model.samples)
        for index in chosen:
            with statistics.collecting():
                self._model.translate(self._load([index]))
        count = len(self._stack)
        for start in range(0, count, BATCH):
            indices = range(start, min(start + BATCH, count))
            images = self._load(indices)
            if chosen:
                with statistics.frozen():
                    translations = self._model.translate(images)
            else:
                translations = self._model.translate(images)
            for index, translation in zip(indices, translations, strict=True):
                written[index] = self._model.to_values(self._own(translation))[..., 0]
            progress(indices[-1] / count if indices[-1] + 1 < count else 1.0)

    def lowest(self) -> float:
        """Return the value of the low end of the range of translations."""
        return float(self._model.to_values(torch.zeros(self._model.channels[1], 1, 1)).flat[0])

    def _load(self, indices: Sequence[int]) -> Tensor:
        windows = (with_neighbours(self._stack, index, self._neighbours) for index in indices)
        return torch.stack([self._model.to_unit(window, self._header) for window in windows])

    def _own(self, translation: Tensor) -> Tensor:
        """Return the slice itself, without its neighbours, as `(1, H, W)`."""
        if self.averaged:
            return translation.mean(dim=0, keepdim=True)
        return translation[self._neighbours : self._neighbours + 1]


def _spread(filled: Sequence[int], count: int) -> list[int]:
    """Return `count` slices at equal distances, or all if there are fewer."""
    if count >= len(filled):
        return list(filled) if count else []
    return [filled[int((number + 0.5) * len(filled) / count)] for number in range(count)]
