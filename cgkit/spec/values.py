"""The values in image files: what each type of them holds."""

from __future__ import annotations

from cgkit.spec.model import Range

_HELD = {
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "float32": (-3.4e38, 3.4e38),
}
"""The lowest and the highest value that each type holds."""


def unheld(depth: str, span: Range | None) -> str | None:
    """Return why values of a type cannot be written over a range, or None where they can."""
    if span is None:
        return None if depth in ("uint8", "uint16") else f"{depth} needs to know what its values range over: data.range"
    low, high = _HELD[depth]
    if low <= span[0] and span[1] <= high:
        return None
    return f"{depth} cannot hold data.range, {span[0]:g} to {span[1]:g}"
