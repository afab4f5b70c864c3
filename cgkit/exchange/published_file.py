"""Export a generator's weights in the format of the published CycleGAN code."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cgkit.abilities import publisher_of
from cgkit.checkpoints import load_strictly
from cgkit.errors import CheckpointError
from cgkit.exchange.comparing import Comparison, OnUnitRange, compare
from cgkit.exchange.foreign_files import read_foreign
from cgkit.exchange.recognition import recognise
from cgkit.options import build

if TYPE_CHECKING:
    from cgkit.exchange.exporting import Export


def write(export: Export, file: Path) -> Comparison:
    """Write a generator's weights with torch.save, import them again, and compare the result with the generator.

    Raises:
        CheckpointError: the generator has no published tensor names, or the outputs of the imported network differ.
    """
    published = publisher_of(export.network.generator)
    if published is None:
        raise CheckpointError(f'generator "{export.name}" does not define published tensor names')
    try:
        tensors = OrderedDict((name, tensor.cpu().clone()) for name, tensor in published().items())
    except ValueError as error:
        raise CheckpointError(f'generator "{export.name}" cannot be written with published names: {error}') from error
    with file.open("wb") as opened:
        torch.save(tensors, opened)
    match = recognise(read_foreign(file), export.plugins, generator=export.name)
    recognised = match.recognised
    imported = build(match.component, recognised.in_channels, recognised.out_channels, options=recognised.options)
    load_strictly(imported, dict(recognised.state), what=export.name)
    return compare(export.network, OnUnitRange(imported), export.shapes)
