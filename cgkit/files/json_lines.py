"""Files of one JSON object a line, each with the step that it belongs to."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgkit.files.atomic import replacing


def append(file: Path, values: Mapping[str, Any]) -> None:
    """Add a line, which is with the system on return.

    Args:
        file: the file; it is made where it does not exist.
        values: JSON values with a `step`; none of them infinite or not a number.

    Raises:
        OSError: it cannot be written.
    """
    with file.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(values, allow_nan=False) + "\n")


def rewind(file: Path, step: int) -> None:
    """Drop the lines of later steps, and any that cannot be read; all or nothing.

    Raises:
        OSError: the file cannot be replaced; it is as it was.
    """
    if not file.exists():
        return
    with replacing(file) as temporary, file.open("rb") as old, temporary.open("wb") as new:
        new.writelines(line for line in old if line.endswith(b"\n") and _step(line) <= step)
        new.flush()
        os.fsync(new.fileno())


def _step(line: bytes) -> float:
    """Return the step of a line, infinity where it has none."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, TypeError, KeyError):
        return math.inf
    return step if isinstance(step, int) else math.inf
