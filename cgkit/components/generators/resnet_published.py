"""The tensor names of the published residual generator, and recognition of files with such tensors.

Like ours, the published network is one sequence of layers: `model.0`, `model.1` and so on. Layers within a residual
block have names such as `model.10.conv_block.1`. With dropout, each block has one more layer, and the numbers of
the layers after the dropout layer are one higher.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.components.generators.published import Layer, convert_from_published, detect_norms, names_match
from cgkit.contracts import Recognised

DROPOUT = 0.5
"""The dropout rate of the published networks that have dropout; weight files do not record the rate."""

_NAME = re.compile(r"model\.(?P<layer>\d{1,3})\.(?:(?P<block>\w+)\.(?P<inner>\d)\.)?\w+")
_BLOCK = "conv_block"
_FIRST, _SECOND = 1, 6
"""The positions of the convolutions in a block with a dropout layer; our blocks always have one."""


@dataclass(frozen=True)
class Structure:
    """The structure of a residual generator.

    Attributes:
        downsamplings: number of times that height and width are halved.
        blocks: number of residual blocks.
        dropout: whether each block has a dropout layer.
        block: the published name of the sequence of layers in a block.
    """

    downsamplings: int
    blocks: int
    dropout: bool
    block: str = _BLOCK

    def layers(self) -> list[Layer]:
        """Return every convolution with its norm, in forward order."""
        first_block = 4 + 3 * self.downsamplings
        outer = [1 + 3 * number for number in range(self.downsamplings + 1)]
        upsampling = [first_block + self.blocks + 3 * number for number in range(self.downsamplings)]
        last = first_block + self.blocks + 3 * self.downsamplings + 1
        return [
            *map(_outer_layer, outer),
            *(self._block_layer(first_block + n, inner) for n in range(self.blocks) for inner in (_FIRST, _SECOND)),
            *map(_outer_layer, upsampling),
            Layer(f"layers.{last}", f"model.{last}", last=True),
        ]

    def _block_layer(self, layer: int, inner: int) -> Layer:
        theirs = inner if inner == _FIRST or self.dropout else inner - 1
        ours, published = f"layers.{layer}.layers", f"model.{layer}.{self.block}"
        return Layer(f"{ours}.{inner}", f"{published}.{theirs}", f"{ours}.{inner + 1}", f"{published}.{theirs + 1}")


def _outer_layer(layer: int) -> Layer:
    return Layer(f"layers.{layer}", f"model.{layer}", f"layers.{layer + 1}", f"model.{layer + 1}")


def recognise(tensors: Mapping[str, Tensor], generator: Callable[..., nn.Module]) -> Recognised | None:
    """Recognise the tensors of a published residual generator; see `cgkit.contracts.Generator`."""
    structure = _detect_structure(tensors)
    if structure is None:
        return None
    layers = structure.layers()
    if not names_match(tensors, layers):
        return None
    first, last = tensors[f"{layers[0].published}.weight"], tensors[f"{layers[-1].published}.weight"]
    norms, remarks = detect_norms(tensors, layers)
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
    return Recognised(in_channels, out_channels, options, convert_from_published(tensors, layers, own), remarks)


def _detect_structure(tensors: Mapping[str, Tensor]) -> Structure | None:
    """Infer the structure from the names of the convolutions; return None if the names do not fit this network."""
    matches = [_NAME.fullmatch(name) for name in tensors]
    if not matches or None in matches:
        return None
    names = {match["block"] for match in matches if match is not None and match["block"]}
    layers: dict[int, list[int]] = {}
    for match in matches:
        if match is not None and tensors[match.string].ndim == 4:
            convolutions = layers.setdefault(int(match["layer"]), [])
            convolutions += [int(match["inner"])] if match["inner"] else []
    if any(name.endswith(".filt") for name in tensors):
        raise ValueError("its resizing layers blur (the default in CUT's code), which this generator does not support")
    blocks = [convolutions for _, convolutions in sorted(layers.items()) if convolutions]
    outer = len(layers) - len(blocks)
    kinds = {tuple(sorted(convolutions)) for convolutions in blocks}
    if len(names) > 1 or outer < 2 or outer % 2 or not kinds <= {(1, 5), (1, 6), (0, 3), (0, 4)} or len(kinds) > 1:
        return None
    if kinds & {(0, 3), (0, 4)}:
        raise ValueError("its blocks are padded with zeros, but this generator pads by reflection")
    return Structure((outer - 2) // 2, len(blocks), (1, 6) in kinds, next(iter(names), _BLOCK))
