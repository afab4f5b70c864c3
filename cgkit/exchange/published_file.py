"""A generator's weights as the published code of its family saves them."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cgkit.checkpoints import load_strictly
from cgkit.errors import CheckpointError
from cgkit.exchange.comparing import Comparison, OnUnitRange, compare
from cgkit.exchange.foreign_files import read_foreign
from cgkit.exchange.recognition import recognise
from cgkit.options import build

if TYPE_CHECKING:
    from cgkit.exchange.exporting import Export


def write(export: Export, file: Path) -> Comparison:
    """Write a generator's weights with torch.save, read them as an import does, and return the difference.

    Raises:
        CheckpointError: the published code has no such generator, or what is read is another network.
    """
    published = getattr(export.network.generator, "published_tensors", None)
    if published is None:
        raise CheckpointError(f'generator "{export.name}" does not say by what names others know its weights')
    try:
        tensors = OrderedDict((name, tensor.cpu().clone()) for name, tensor in published().items())
    except ValueError as error:
        raise CheckpointError(f'generator "{export.name}" cannot be written under published names: {error}') from error
    with file.open("wb") as opened:
        torch.save(tensors, opened)
    found = recognise(read_foreign(file), export.plugins, generator=export.name)
    recognised = found.recognised
    again = build(found.component, recognised.in_channels, recognised.out_channels, options=recognised.options)
    load_strictly(again, dict(recognised.state), what=export.name)
    return compare(export.network, OnUnitRange(again), export.shapes)
