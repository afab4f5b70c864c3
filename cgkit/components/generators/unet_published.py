"""The tensor names of the published U-Net, and recognition of files with such tensors.

The published network is nested: `model.model` is the outermost level. Its layer 1 contains the next level, and layer 3
of each further level contains the level inside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from cgkit.components.generators.published import Layer, names_match, recognise_any
from cgkit.contracts import Recognised

_OUTERMOST = "model.model"
_DEEPEST = 10


def layers(depth: int) -> list[Layer]:
    """Return every convolution with its norm, in forward order: first the encoder's, then the decoder's.

    Raises:
        ValueError: the depth is 1, which no published network has.
    """
    if depth < 2:
        raise ValueError("no published network has depth = 1")
    innermost = depth - 1
    down, up = [], []
    for level in range(depth):
        theirs, ours = _prefix(level), f"up.{innermost - level}"
        if level == 0:
            down.append(Layer("down.0.0", f"{theirs}.0"))
            up.append(Layer(f"{ours}.1", f"{theirs}.3", last=True))
        elif level == innermost:
            down.append(Layer(f"down.{level}.0", f"{theirs}.1"))
            up.append(Layer(f"{ours}.1", f"{theirs}.3", f"{ours}.2", f"{theirs}.4"))
        else:
            down.append(Layer(f"down.{level}.0", f"{theirs}.1", f"down.{level}.1", f"{theirs}.2"))
            up.append(Layer(f"{ours}.1", f"{theirs}.5", f"{ours}.2", f"{theirs}.6"))
    return [*down, *reversed(up)]


def recognise(tensors: Mapping[str, Tensor], generator: Callable[..., nn.Module]) -> Recognised | None:
    """Recognise the tensors of a published U-Net; see `cgkit.contracts.Generator`."""
    depth = next((depth for depth in range(2, _DEEPEST + 1) if _is_innermost(depth - 1, tensors)), None)
    if depth is None:
        return None
    all_layers = layers(depth)
    if not names_match(tensors, all_layers):
        return None
    first, last = tensors[f"{_OUTERMOST}.0.weight"], tensors[f"{_OUTERMOST}.3.weight"]
    channels = first.shape[1], last.shape[1]
    return recognise_any(tensors, all_layers, generator, channels, {"width": first.shape[0], "depth": depth})


def _is_innermost(level: int, tensors: Mapping[str, Tensor]) -> bool:
    """Return whether `level` is the innermost level of the published network."""
    prefix = _prefix(level)
    return f"{prefix}.3.weight" in tensors and f"{prefix}.1.weight" in tensors


def _prefix(level: int) -> str:
    return _OUTERMOST if level == 0 else f"{_OUTERMOST}.1" + ".model.3" * (level - 1) + ".model"
