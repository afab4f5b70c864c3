"""The tensor names of the published residual generator, and recognition of files with such tensors.

Like ours, the published network is one sequence of layers: `model.0`, `model.1` and so on. Layers within a residual
block have names such as `model.10.conv_block.1`. With dropout, each block has one more layer, and the numbers of
the layers after the dropout layer are one higher. Padding by zeros is part of the convolutions, not a layer of its own.
UPIT's names lack the first part: `10.conv_block.1`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from cgkit.components.generators.published import Layer, names_match, recognise_any
from cgkit.contracts import Recognised

DROPOUT = 0.5
"""The dropout rate of the published networks that have dropout; weight files do not record the rate."""

_NAME = re.compile(r"(?P<first>model\.|)(?P<layer>\d{1,3})\.(?:(?P<block>\w+)\.(?P<inner>\d)\.)?\w+")
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
        first: the first part of the published names, with its dot, if any.
        padded: whether the blocks have padding layers.
    """

    downsamplings: int
    blocks: int
    dropout: bool
    block: str = _BLOCK
    first: str = "model."
    padded: bool = True

    def layers(self) -> list[Layer]:
        """Return every convolution with its norm, in forward order."""
        first_block = 4 + 3 * self.downsamplings
        outer = [1 + 3 * number for number in range(self.downsamplings + 1)]
        upsampling = [first_block + self.blocks + 3 * number for number in range(self.downsamplings)]
        last = first_block + self.blocks + 3 * self.downsamplings + 1
        return [
            *map(self._outer_layer, outer),
            *(self._block_layer(first_block + n, inner) for n in range(self.blocks) for inner in (_FIRST, _SECOND)),
            *map(self._outer_layer, upsampling),
            Layer(f"layers.{last}", f"{self.first}{last}", last=True),
        ]

    def _block_layer(self, layer: int, inner: int) -> Layer:
        second = inner == _SECOND
        theirs = inner - (second and not self.dropout) - (0 if self.padded else 1 + second)
        ours, published = f"layers.{layer}.layers", f"{self.first}{layer}.{self.block}"
        return Layer(f"{ours}.{inner}", f"{published}.{theirs}", f"{ours}.{inner + 1}", f"{published}.{theirs + 1}")

    def _outer_layer(self, layer: int) -> Layer:
        ours, theirs = "layers.", self.first
        return Layer(f"{ours}{layer}", f"{theirs}{layer}", f"{ours}{layer + 1}", f"{theirs}{layer + 1}")


def recognise(tensors: Mapping[str, Tensor], generator: Callable[..., nn.Module]) -> Recognised | None:
    """Recognise the tensors of a published residual generator; see `cgkit.contracts.Generator`."""
    structure = _detect_structure(tensors)
    if structure is None:
        return None
    layers = structure.layers()
    if not names_match(tensors, layers):
        return None
    first, last = tensors[f"{layers[0].published}.weight"], tensors[f"{layers[-1].published}.weight"]
    options = {
        "width": first.shape[0],
        "blocks": structure.blocks,
        "dropout": DROPOUT if structure.dropout else 0.0,
        "downsamplings": structure.downsamplings,
    }
    paddings = ["reflection", "replicate"] if structure.padded else ["zero", "all-zero"]
    channels = first.shape[1], last.shape[0]
    recognised = recognise_any(tensors, layers, generator, channels, options, paddings[: 2 if structure.blocks else 1])
    return recognised if structure.padded else replace(recognised, undecided=(*recognised.undecided, "padding"))


def _detect_structure(tensors: Mapping[str, Tensor]) -> Structure | None:
    """Infer the structure from the names of the convolutions; return None if the names do not fit this network."""
    matches = [_NAME.fullmatch(name) for name in tensors]
    if not matches or None in matches:
        return None
    names = {match["block"] for match in matches if match is not None and match["block"]}
    firsts = {match["first"] for match in matches if match is not None}
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
    if outer < 2 or outer % 2 or max(len(names), len(firsts), len(kinds)) > 1:
        return None
    if not kinds <= {(1, 5), (1, 6), (0, 3), (0, 4)}:
        return None
    dropout, padded = bool(kinds & {(1, 6), (0, 4)}), not kinds & {(0, 3), (0, 4)}
    return Structure((outer - 2) // 2, len(blocks), dropout, next(iter(names), _BLOCK), firsts.pop(), padded)
