"""JSON with one meaning: no duplicate keys, no NaN, nothing that would come back as something else."""

from __future__ import annotations

import json
import math
from typing import Any

from cgkit.errors import CheckpointError


def encode(value: Any, *, what: str) -> bytes:
    """Return `value` as JSON text, one key a line.

    Raises:
        CheckpointError: Something in it is not a JSON value; the message says where.
    """
    try:
        _check(value, what)
        return (json.dumps(value, allow_nan=False, indent=1) + "\n").encode("ascii")
    except RecursionError:
        raise CheckpointError(f"{what} is nested too deeply to be saved") from None


def decode(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: It is not UTF-8 or not JSON, repeats a key, holds a number that is not finite, or nests too deeply.
    """
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _check(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise CheckpointError(f"{where} has the key {key!r}: only text can be a key in a checkpoint")
            _check(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{where}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise CheckpointError(f"{where} is {value}: only finite numbers can be saved in a checkpoint")
    elif value is not None and not isinstance(value, bool | int | float | str):
        kind = type(value).__name__
        raise CheckpointError(
            f"{where} is a {kind}: a checkpoint's state is made of JSON values", hint="save tensors as tensors"
        )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands there twice")
        found[key] = value
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number")
    return number
