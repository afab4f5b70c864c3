"""The names of the published U-Net's tensors, and what a file of such tensors is.

The published network is nested: `model.model` is the outermost level, which holds the next one as its layer 1, and each
further level is layer 3 of the one around it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.components.generators.published import Place, fill, norms_of, state_from
from cgkit.contracts import Recognised

_OUTERMOST = "model.model"
_DEEPEST = 10


def places(depth: int) -> list[Place]:
    """Return every convolution with its norm: first those on the way down, then those on the way up.

    Raises:
        ValueError: with a single level nothing is nested, and no published network is like that.
    """
    if depth < 2:
        raise ValueError("no published network has depth = 1")
    innermost = depth - 1
    down, up = [], []
    for level in range(depth):
        theirs, ours = _prefix(level), f"up.{innermost - level}"
        if level == 0:
            down.append(Place("down.0.0", f"{theirs}.0"))
            up.append(Place(f"{ours}.1", f"{theirs}.3", last=True))
        elif level == innermost:
            down.append(Place(f"down.{level}.0", f"{theirs}.1"))
            up.append(Place(f"{ours}.1", f"{theirs}.3", f"{ours}.2", f"{theirs}.4"))
        else:
            down.append(Place(f"down.{level}.0", f"{theirs}.1", f"down.{level}.1", f"{theirs}.2"))
            up.append(Place(f"{ours}.1", f"{theirs}.5", f"{ours}.2", f"{theirs}.6"))
    return [*down, *reversed(up)]


def recognise(tensors: Mapping[str, Tensor], generator: Callable[..., nn.Module]) -> Recognised | None:
    """Return what tensors are, if their names are those of this network; see `cgkit.contracts.Generator`."""
    depth = next((depth for depth in range(2, _DEEPEST + 1) if _is_innermost(depth - 1, tensors)), None)
    if depth is None:
        return None
    all_places = places(depth)
    if not fill(tensors, all_places):
        return None
    first, last = tensors[f"{_OUTERMOST}.0.weight"], tensors[f"{_OUTERMOST}.3.weight"]
    norms, remarks = norms_of(tensors, all_places)
    options: dict[str, Any] = {"width": first.shape[0], "depth": depth, "norm": norms.kind, "affine": norms.affine}
    in_channels, out_channels = first.shape[1], last.shape[1]
    with torch.device("meta"):
        own = generator(in_channels, out_channels, **options).state_dict()
    return Recognised(in_channels, out_channels, options, state_from(tensors, all_places, own), remarks)


def _is_innermost(level: int, tensors: Mapping[str, Tensor]) -> bool:
    """Return whether that level holds none, as a published network's innermost one alone."""
    prefix = _prefix(level)
    return f"{prefix}.3.weight" in tensors and f"{prefix}.1.weight" in tensors


def _prefix(level: int) -> str:
    return _OUTERMOST if level == 0 else f"{_OUTERMOST}.1" + ".model.3" * (level - 1) + ".model"
