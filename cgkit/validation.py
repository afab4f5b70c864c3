"""From what pydantic finds wrong to problems that a user can mend."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from cgkit.errors import Problem, did_you_mean, dotted

MAX_PROBLEMS = 100
"""How many problems are told of one validation: beyond that, a file is something else than was meant."""

Place = tuple[str | int, ...]


def problems_from(
    error: ValidationError, values: Mapping[str, Any], known: Callable[[Place], Iterable[str]]
) -> dict[Place, Problem]:
    """Return the problems by the place in `values` that each is about.

    Args:
        error: what pydantic raised.
        values: what it was given.
        known: the keys that are right beside an unknown one, given the place of the unknown one.
    """
    details = error.errors(include_url=False, include_context=False)
    problems: dict[Place, Problem] = {}
    for detail in details[:MAX_PROBLEMS]:
        place = _place_in(values, detail["loc"])
        if detail["type"] == "missing":
            place = (*place, detail["loc"][-1])
        message, hint = _message(detail, known(place) if detail["type"] == "extra_forbidden" else ())
        before = problems.get(place)
        if before is not None:  # pydantic says something for each type of a union
            message = _either(before.message, message)
        problems[place] = Problem(dotted(place), message, hint)
    if len(details) > MAX_PROBLEMS:
        problems[()] = Problem("", f"and {len(details) - MAX_PROBLEMS} more problems")
    return problems


def unknown_key_hint(key: str, known: Iterable[str]) -> str:
    """Return what to write instead of a key that there is not."""
    known = list(known)
    return did_you_mean(key, known) or (f"there are: {', '.join(known)}" if known else "there are none")


def shown(value: Any) -> str:
    """Return a value as a spec would write it, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _place_in(values: Any, location: Iterable[str | int]) -> Place:
    """Return the part of a location that is keys and indices; pydantic puts the types of a union between them."""
    place: Place = ()
    for part in location:
        if isinstance(values, Mapping) and part in values:
            values = values[str(part)]
        elif isinstance(values, (list, tuple)) and isinstance(part, int) and part < len(values):
            values = values[part]
        else:
            continue
        place = (*place, part)
    return place


def _message(detail: Mapping[str, Any], known: Iterable[str]) -> tuple[str, str | None]:
    if detail["type"] == "extra_forbidden":
        return "unknown key", unknown_key_hint(str(detail["loc"][-1]), known)
    if detail["type"] == "missing":
        return "is required", None
    message = re.sub(r"^(Input|String|Tuple|List|Dictionary|Value|Set) should", "should", str(detail["msg"]))
    message = message.removeprefix("Value error, ").replace(" after validation", "")
    message = re.sub(r"be (an object|a valid dictionary)\b.*", "be a table", message)
    message = re.sub(r"be a valid (list|tuple|set)\b", "be a valid array", message)
    if isinstance(detail["input"], Mapping) and detail["type"] == "value_error":
        return message, None
    return f"{message}, got {shown(detail['input'])}", None


def _either(first: str, second: str) -> str:
    if first == second:
        return first
    claim, _, got = second.partition(", got ")
    claim = f"{first.partition(', got ')[0]} or {claim.removeprefix('should be ')}"
    return f"{claim}, got {got}" if got else claim
