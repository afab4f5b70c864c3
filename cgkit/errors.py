"""The few exceptions that a user can meet, each with its exit code."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError


class CgkitError(Exception):
    """Something that the user can mend: what is wrong, and what to do about it.

    Every subclass has the exit code with which the command line ends. Any other exception is a bug of ours
    and keeps its traceback.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Raised in a worker, it must arrive whole; by default only the message would.
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[CgkitError], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> CgkitError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a spec: where, what, and what to do.

    `path` is the place in the spec as `dotted` writes it (`train.steps`); `file` and `line` say where that stands,
    where known.
    """

    path: str
    message: str
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    exit_code: int = 2

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        parts = [part for part in (place, self.path, self.message) if part]
        return ": ".join(parts) + (f"; {self.hint}" if self.hint else "")


class SpecError(CgkitError):
    """A spec that cannot be used. Carries every problem found, not only the first.

    The exit code is that of the worst problem: 4 where a plugin is to blame, else 2.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        self.exit_code = max((problem.exit_code for problem in self.problems), default=2)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UsageError(CgkitError):
    """A command or a call with arguments that do not fit."""

    exit_code = 2


class UnknownComponentError(UsageError):
    """A name that no plugin registered."""


class DataError(CgkitError):
    """An image or a folder of images that cannot be used."""

    exit_code = 3


class PluginError(CgkitError):
    """A plugin, or a component of one, that cannot be used."""

    exit_code = 4


class CheckpointError(CgkitError):
    """A checkpoint that is damaged, missing or refused."""

    exit_code = 5


class DivergedError(CgkitError):
    """A loss or a gradient that is no longer finite."""

    exit_code = 6


class ResourceError(CgkitError):
    """Not enough disk or memory."""

    exit_code = 7


class RunFolderInUseError(CgkitError):
    """Another process is training in the same run folder."""

    exit_code = 8


def dotted(place: Iterable[str | int]) -> str:
    """Return the keys and indices that lead to a value as a spec's author would write them: `augmentation.0.name`."""
    return ".".join(_quoted(str(part)) for part in place)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return `did you mean "..."?` for the closest known name, or None where nothing is close."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f'did you mean "{matches[0]}"?' if matches else None


def _quoted(key: str) -> str:
    key = key if len(key) <= 60 else f"{key[:57]}..."
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


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
