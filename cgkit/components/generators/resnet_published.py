"""The names of the published residual generator's tensors, and what a file of such tensors is.

The published network is one sequence, `model.0`, `model.1` ... as ours is; the layers of its residual blocks are
`model.10.conv_block.1` ..., and there is one layer more in each block with dropout, so that what follows has other
numbers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.components.generators.published import Place, fill, norms_of, state_from
from cgkit.contracts import Recognised

DROPOUT = 0.5
"""What the published network drops, where it does; files do not say."""

_NAME = re.compile(r"model\.(?P<layer>\d{1,3})\.(?:(?P<block>\w+)\.(?P<inner>\d)\.)?\w+")
_BLOCK = "conv_block"
_FIRST, _SECOND = 1, 6
"""The convolutions of a block, counted with a layer for dropout, as ours are."""


@dataclass(frozen=True)
class Structure:
    """What decides which layers there are.

    Attributes:
        downsamplings: how often height and width are halved.
        blocks: how many residual blocks there are.
        dropout: whether there is a layer for dropout in each of them.
        block: what a block calls the sequence of its layers.
    """

    downsamplings: int
    blocks: int
    dropout: bool
    block: str = _BLOCK

    def places(self) -> list[Place]:
        """Return every convolution with its norm, in the order in which an image meets them."""
        first_block = 4 + 3 * self.downsamplings
        outer = [1 + 3 * number for number in range(self.downsamplings + 1)]
        upsampling = [first_block + self.blocks + 3 * number for number in range(self.downsamplings)]
        last = first_block + self.blocks + 3 * self.downsamplings + 1
        return [
            *map(_outer, outer),
            *(self._inner(first_block + number, inner) for number in range(self.blocks) for inner in (_FIRST, _SECOND)),
            *map(_outer, upsampling),
            Place(f"layers.{last}", f"model.{last}", last=True),
        ]

    def _inner(self, layer: int, inner: int) -> Place:
        theirs = inner if inner == _FIRST or self.dropout else inner - 1
        ours, published = f"layers.{layer}.layers", f"model.{layer}.{self.block}"
        return Place(f"{ours}.{inner}", f"{published}.{theirs}", f"{ours}.{inner + 1}", f"{published}.{theirs + 1}")


def _outer(layer: int) -> Place:
    return Place(f"layers.{layer}", f"model.{layer}", f"layers.{layer + 1}", f"model.{layer + 1}")


def recognise(tensors: Mapping[str, Tensor], generator: Callable[..., nn.Module]) -> Recognised | None:
    """Return what tensors are, if their names are those of this network; see `cgkit.contracts.Generator`."""
    structure = _structure_of(tensors)
    if structure is None:
        return None
    places = structure.places()
    if not fill(tensors, places):
        return None
    first, last = tensors[f"{places[0].published}.weight"], tensors[f"{places[-1].published}.weight"]
    norms, remarks = norms_of(tensors, places)
    options: dict[str, Any] = {
        "width": first.shape[0],
        "blocks": structure.blocks,
        "dropout": DROPOUT if structure.dropout else 0.0,
        "norm": norms.kind,
        "affine": norms.affine,
        "downsamplings": structure.downsamplings,
    }
    in_channels, out_channels = first.shape[1], last.shape[0]
    with torch.device("meta"):
        own = generator(in_channels, out_channels, **options).state_dict()
    return Recognised(in_channels, out_channels, options, state_from(tensors, places, own), remarks)


def _structure_of(tensors: Mapping[str, Tensor]) -> Structure | None:
    """Return the structure that the names of the convolutions tell of."""
    matches = [_NAME.fullmatch(name) for name in tensors]
    if not matches or None in matches:
        return None
    names = {match["block"] for match in matches if match is not None and match["block"]}
    layers: dict[int, list[int]] = {}
    for match in matches:
        if match is not None and tensors[match.string].ndim == 4:
            inside = layers.setdefault(int(match["layer"]), [])
            inside += [int(match["inner"])] if match["inner"] else []
    if any(name.endswith(".filt") for name in tensors):
        raise ValueError("it resizes through a blur (the default of CUT's code), which this generator cannot")
    blocks = [inside for _, inside in sorted(layers.items()) if inside]
    outer = len(layers) - len(blocks)
    kinds = {tuple(sorted(inside)) for inside in blocks}
    if len(names) > 1 or outer < 2 or outer % 2 or not kinds <= {(1, 5), (1, 6), (0, 3), (0, 4)} or len(kinds) > 1:
        return None
    if kinds & {(0, 3), (0, 4)}:
        raise ValueError("its blocks are padded with zeros, and those of this generator by reflection")
    return Structure((outer - 2) // 2, len(blocks), (1, 6) in kinds, next(iter(names), _BLOCK))
