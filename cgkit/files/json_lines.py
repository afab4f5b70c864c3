"""Append to files with one JSON object per line, each with a `step`, and cut them back to an earlier step."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgkit.files.atomic import replacing


def append(file: Path, values: Mapping[str, Any]) -> None:
    """Append a line, and hand it to the operating system before returning.

    Args:
        file: The file; created if it does not exist.
        values: The JSON object, including its `step`.

    Raises:
        OSError: The file cannot be written.
        ValueError: A value is NaN or infinite.
    """
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(values, allow_nan=False) + "\n")


def rewind(file: Path, step: int) -> None:
    """Remove all lines with a step after `step` and all malformed lines; do nothing if there is no file.

    Raises:
        OSError: The file cannot be replaced; it is left unchanged.
    """
    if not file.exists():
        return
    with replacing(file) as temporary, file.open("rb") as old, temporary.open("wb") as new:
        new.writelines(line for line in old if line.endswith(b"\n") and _parse_step(line) <= step)
        new.flush()
        os.fsync(new.fileno())


def _parse_step(line: bytes) -> float:
    """Return the step of a line, or infinity if the line has none."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError):
        return math.inf
    return step if isinstance(step, int) else math.inf
