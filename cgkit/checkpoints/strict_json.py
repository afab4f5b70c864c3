"""Encode and decode JSON strictly: non-finite numbers, keys that are not strings and duplicate keys are errors."""

from __future__ import annotations

import json
import math
from typing import Any

from cgkit.errors import CheckpointError


def encode(value: Any, *, what: str) -> bytes:
    """Return `value` as JSON text with one key per line.

    Args:
        value: The value to encode.
        what: The name of the value in error messages.

    Raises:
        CheckpointError: A part of the value is not a JSON value (the message names the part), or the value is nested
            too deeply.
    """
    try:
        _check(value, what)
        return (json.dumps(value, allow_nan=False, indent=1) + "\n").encode("ascii")
    except RecursionError:
        raise CheckpointError(f"{what} is nested too deeply to be saved") from None


def decode(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: The text is not UTF-8 or not JSON, repeats a key, contains a non-finite number, or is nested too
            deeply.
    """
    try:
        return json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_require_unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_parse_finite,
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _check(value: Any, path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise CheckpointError(f"{path} has the key {key!r}: keys in a checkpoint must be strings")
            _check(item, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check(item, f"{path}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        raise CheckpointError(f"{path} is {value}: a checkpoint can store only finite numbers")
    elif value is not None and not isinstance(value, bool | int | float | str):
        kind = type(value).__name__
        raise CheckpointError(
            f"{path} is a {kind}: the state of a checkpoint must consist of JSON values", hint="move tensors out of it"
        )


def _require_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for key, value in pairs:
        if key in table:
            raise ValueError(f"duplicate key {key!r}")
        table[key] = value
    return table


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not a JSON number")


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"the number {text} is too large")
    return number
