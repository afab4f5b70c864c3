"""Compare networks with a sample: an image, and what the original program made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cgkit.contracts import Recognised
from cgkit.errors import UsageError
from cgkit.exchange.foreign_files import read_foreign
from cgkit.exchange.recognition import load_state
from cgkit.images.formats import built_in
from cgkit.images.pixels import PixelFormat
from cgkit.images.reading import read_image
from cgkit.options import build
from cgkit.registry import Component

_LEVELS = 127.5
"""Levels of 8 bits per unit of a network's range, [-1, 1]."""
_LIMIT_OF_ARRAYS, _LIMIT_OF_IMAGES = 0.25, 2.0
"""Largest mean differences, in levels: arrays differ by the rounding of other devices, images by 8 bits and JPEG."""
_NAMES = (("x", "input"), ("y", "output"))


@dataclass(frozen=True)
class Sample:
    """An image and its translation, `(N, C, H, W)` in [-1, 1], their files, and the accepted mean difference."""

    image: Tensor
    translation: Tensor
    files: tuple[Path, Path]
    limit: float


def read_sample(files: tuple[Path, Path], network: Recognised) -> Sample:
    """Read an image and its translation, with the channels of a network.

    A file may be an image, which stands for [-1, 1]; a `.npy` file; or a file that `read_foreign` reads, with one
    tensor, or with `x` and `y`, or `input` and `output`. Floating-point numbers are what the network sees and returns.

    Raises:
        CgkitError: a file cannot be read, or does not fit the network.
    """
    channels = network.in_channels, network.out_channels
    parts = [_read(file, count, names) for file, count, names in zip(files, channels, _NAMES, strict=True)]
    (image, exact), (translation, exact_too) = parts
    if image[:, 0].shape != translation[:, 0].shape:
        sizes = " and ".join(" x ".join(map(str, part.shape)) for part, _ in parts)
        raise UsageError(f"the two parts of the sample differ in size: {sizes}", hint="give both uncropped")
    return Sample(image, translation, files, _LIMIT_OF_ARRAYS if exact and exact_too else _LIMIT_OF_IMAGES)


@torch.no_grad()
def difference(network: Recognised, component: Component, sample: Sample) -> float:
    """Return the mean absolute difference between a network's output and a sample's translation, in levels of 255.

    Raises:
        UsageError: the network cannot translate an image of this size.
    """
    built = build(component, network.in_channels, network.out_channels, options=network.options)
    try:
        made = load_state(built, network, what=str(component))(sample.image)
    except ValueError as error:
        raise UsageError(f"{sample.files[0]}: {error}") from error
    return float((made - sample.translation).abs().mean()) * _LEVELS


def _read(file: Path, channels: int, names: tuple[str, str]) -> tuple[Tensor, bool]:
    """Return a part of a sample, and whether it is exact rather than in 8 bits."""
    if file.suffix.lower() in set(built_in().suffixes) - {".npy", ".npz"}:
        return read_image(file, PixelFormat(channels))[None] * 2 - 1, False
    values = _read_array(file, names)
    exact = values.is_floating_point()
    batch = values[(None,) * (4 - values.ndim)]
    if batch.ndim == 4 and batch.shape[1] != channels == batch.shape[3]:
        batch = batch.permute(0, 3, 1, 2)
    if batch.ndim != 4 or batch.shape[1] != channels or not (exact or values.dtype == torch.uint8):
        held = f"{values.dtype} values of the shape {' x '.join(map(str, values.shape))}"
        raise UsageError(f"{file} has {held}", hint=f"give floating-point or uint8 values, {channels} x height x width")
    batch = batch.float() if exact else batch / _LEVELS - 1
    if not float(batch.abs().max()) <= 1.001:  # unlike `>`, this also refuses NaN
        raise UsageError(f"{file} has values outside [-1, 1]", hint="give what the network sees and returns")
    return batch, exact


def _read_array(file: Path, names: tuple[str, str]) -> Tensor:
    if file.suffix.lower() == ".npy":
        try:
            return torch.from_numpy(np.load(file, allow_pickle=False).copy())
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise UsageError(f"{file} cannot be read as an array: {error}") from error
    tensors = read_foreign(file)
    found = [tensor for name, tensor in tensors.items() if name in names or len(tensors) == 1]
    if len(found) != 1:
        raise UsageError(
            f"{file} has the tensors {', '.join(list(tensors)[:5])}", hint=f"call one {' or '.join(names)}"
        )
    return found[0]
