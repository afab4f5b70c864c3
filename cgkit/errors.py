"""Errors for users: exceptions with exit codes, and the problems of a spec, including those that pydantic finds."""

from __future__ import annotations

import difflib
import json
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import ValidationError

# Exceptions


class Problems(str):
    """The message of an error that has several problems, one a line."""

    @classmethod
    def of(cls, problems: Iterable[object]) -> Problems:
        """Return the message with these problems."""
        return cls("\n".join(one_line(str(problem)) for problem in problems))


def one_line(text: str) -> str:
    r"""Return a text with its line breaks written as `\n`."""
    return "\\n".join(text.splitlines()) if len(text.splitlines()) > 1 else text


class CgkitError(Exception):
    """An error that the user can fix: what is wrong, and a hint on what to do.

    The command line prints the error and exits with its `exit_code`. Any other exception is a bug in cgkit and is shown
    with its traceback.
    """

    exit_code = 1
    remote_traceback = ""
    """The traceback of the exception behind an error that another process raised."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        # A name with a line break must not look like a problem of its own.
        self.message = message if isinstance(message, Problems) else one_line(message)
        self.hint = None if hint is None else one_line(hint)
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes pickle the errors that they send. By default, unpickling would call `__init__` with `args`,
        # but SpecError takes other arguments.
        return _rebuild, (type(self), self.args, {**self.__dict__, "remote_traceback": traceback_of(self)})


def _rebuild(kind: type[CgkitError], arguments: tuple[Any, ...], attributes: dict[str, Any]) -> CgkitError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(attributes)
    return error


class UsageError(CgkitError):
    """Invalid arguments of a command or call."""

    exit_code = 2


class UnknownComponentError(UsageError):
    """No plugin registered a component of that name."""


class DataError(CgkitError):
    """An image or image folder cannot be used."""

    exit_code = 3


class DamagedImageError(DataError):
    """The content of an image cannot be read."""


class PluginError(CgkitError):
    """A plugin or one of its components cannot be used."""

    exit_code = 4


class CheckpointError(CgkitError):
    """A checkpoint is damaged, missing or refused."""

    exit_code = 5


class DivergedError(CgkitError):
    """A loss or gradient is not finite."""

    exit_code = 6


class ResourceError(CgkitError):
    """Not enough disk space or memory, or no connection to a server."""

    exit_code = 7


_OUT_OF_MEMORY = (
    "DefaultCPUAllocator",  # torch's CPU allocator raises a plain RuntimeError
    "CUDA out of memory",
    "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "Storage size calculation overflowed",
    "Cannot allocate memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception says that there is not enough memory, which is not the fault of who raises it."""
    return isinstance(error, MemoryError) or any(text in str(error) for text in _OUT_OF_MEMORY)


class RunFolderInUseError(CgkitError):
    """Another process is training in the run folder."""

    exit_code = 8


class CgkitWarning(UserWarning):
    """Something that works today, but that the user should know: a deprecation, or another version of a plugin."""


class RunWarning(CgkitWarning):
    """A warning of a run that Python code started, which `cgkit run` would print."""


def warn_deprecated(message: str) -> None:
    """Warn of something that a later version will not accept."""
    warnings.warn(f"{message} (the former name will stop working)", CgkitWarning, stacklevel=2)


@dataclass(frozen=True)
class Problem:
    """One problem in a spec.

    Attributes:
        path: the place of the problem in the spec, as `dotted` writes it: `train.steps`.
        message: what is wrong.
        hint: what to do about it.
        file: the file that `path` is in, if known.
        line: the line in that file, if known.
        exit_code: 4 if a plugin causes the problem, else 2.
        traceback: the traceback of the plugin's exception behind the problem, if any.
    """

    path: str
    message: str
    hint: str | None = None
    file: str | None = None
    line: int | None = None
    exit_code: int = 2
    traceback: str = field(default="", repr=False, compare=False)

    @classmethod
    def of(cls, path: str, error: CgkitError) -> Problem:
        """Return the problem that an error is, at a place in a spec."""
        return cls(path, error.message, error.hint, exit_code=error.exit_code, traceback=traceback_of(error))

    def __str__(self) -> str:
        location = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        parts = [part for part in (location, self.path, self.message) if part]
        return ": ".join(parts) + (f"; {self.hint}" if self.hint else "")


class SpecError(CgkitError):
    """A spec cannot be used. The error has all problems of the spec, and the largest of their exit codes."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        self.exit_code = max((problem.exit_code for problem in self.problems), default=2)
        super().__init__(Problems.of(self.problems))


def traceback_of(error: BaseException) -> str:
    """Return the traceback of the exception behind an error; empty if a `CgkitError` has no other exception behind it.

    The error of a spec has one traceback for each problem that an exception caused.
    """
    if not isinstance(error, CgkitError):
        return "".join(traceback.format_exception(error))
    problems = error.problems if isinstance(error, SpecError) else ()
    own = "\n".join(problem.traceback for problem in problems if problem.traceback) or error.remote_traceback
    return own or (traceback_of(error.__cause__) if error.__cause__ is not None else "")


# Parts of messages

Place = tuple[str | int, ...]
"""The keys and indices that lead to a value in a spec."""


def dotted(place: Iterable[str | int]) -> str:
    """Return a place as a dotted key, such as `augmentation.0.name`."""
    return ".".join(_quote_key(str(part)) for part in place)


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """Return `did you mean "..."?` with the most similar known name; None if no known name is similar."""
    matches = difflib.get_close_matches(name, list(known), n=1)
    return f'did you mean "{matches[0]}"?' if matches else None


def _quote_key(key: str) -> str:
    key = key if len(key) <= 60 else f"{key[:57]}..."
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key)


def _format_value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."


# Problems from pydantic's errors

MAX_PROBLEMS = 100
"""The largest number of problems to report for one validation."""


def problems_from(
    error: ValidationError, values: Mapping[str, Any], known: Callable[[Place], Iterable[str]]
) -> dict[Place, Problem]:
    """Convert a validation error into problems by place.

    Args:
        error: the error that pydantic raised.
        values: the values that pydantic validated.
        known: returns the valid keys of a table, given the place of an unknown key in it.
    """
    details = error.errors(include_url=False, include_context=False)
    problems: dict[Place, Problem] = {}
    for detail in details[:MAX_PROBLEMS]:
        place = _find_place(values, detail["loc"])
        if detail["type"] == "missing":
            place = (*place, detail["loc"][-1])
        message, hint = _describe(detail, known(place) if detail["type"] == "extra_forbidden" else ())
        if place in problems:  # for a union, pydantic reports one error for each type
            message = _join_alternatives(problems[place].message, message)
        problems[place] = Problem(dotted(place), message, hint)
    if len(details) > MAX_PROBLEMS:
        problems[()] = Problem("", f"and {len(details) - MAX_PROBLEMS} more problems")
    return problems


def _find_place(values: Any, location: Iterable[str | int]) -> Place:
    """Return only the keys and indices from a location given by pydantic, which also names the types of unions."""
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


def _describe(detail: Mapping[str, Any], known: Iterable[str]) -> tuple[str, str | None]:
    """Return the message and hint for one error of pydantic, worded in the terms of TOML."""
    if detail["type"] == "extra_forbidden":
        return "unknown key", _suggest_key(str(detail["loc"][-1]), list(known))
    if detail["type"] == "unexpected_keyword_argument":  # of a dataclass
        return "unknown key", None
    if detail["type"] == "missing":
        return "is required", None
    message = re.sub(r"^(Input|String|Tuple|List|Dictionary|Value|Set) should", "should", str(detail["msg"]))
    message = message.removeprefix("Value error, ").replace(" after validation", "")
    message = re.sub(r"be (an object|a valid dictionary)\b.*", "be a table", message)
    message = re.sub(r"be a valid (list|tuple|set)\b", "be a valid array", message)
    if isinstance(detail["input"], Mapping) and detail["type"] == "value_error":
        return message, None
    return f"{message}, got {_format_value(detail['input'])}", None


def _suggest_key(key: str, known: Sequence[str]) -> str:
    """Return a hint for an unknown key. A known key such as `data.size` is one of a table inside."""
    inside = [f'"{name}"' for name in known if name.rpartition(".")[2] == key]
    if inside:
        return f"did you mean {', '.join(inside[:-1])}{' or ' if len(inside) > 1 else ''}{inside[-1]}?"
    own = [name for name in known if "." not in name]
    return did_you_mean(key, own) or (f"known keys: {', '.join(own)}" if own else "no key is allowed here")


def _join_alternatives(first: str, second: str) -> str:
    """Join two messages about the same value into one, such as `should be A or B, got C`."""
    if first == second:
        return first
    claim, _, value = second.partition(", got ")
    claim = f"{first.partition(', got ')[0]} or {claim.removeprefix('should be ')}"
    return f"{claim}, got {value}" if value else claim
