"""The score of a metric in one direction, with its protocol, and the comparison of two scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cgkit.errors import UsageError

_FORMER_NAMES = {"floor": "real", "ceiling": "untranslated"}
"""Names of the baselines in files of format 1."""

_OWN_FIELDS = ("name", "direction", "better")
"""The attributes that, along with the protocol, must be equal for two numbers to be comparable."""


@dataclass(frozen=True)
class Number:
    """The score of a metric in one direction.

    Attributes:
        name: the metric's name in the spec.
        direction: `a2b` or `b2a`.
        value: the mean over the test images, or the score of the whole set.
        interval: the 95% interval of the value, estimated by resampling the test images; None if there are too few.
        real: the score of real images in place of the translations: of the ground truth if the metric compares
            translations with their sources or counts objects, or of training images if it compares sets. None if there
            are no such images.
        untranslated: the score of the untranslated sources; None if the metric cannot compare them.
        better: whether higher or lower values are better; None if neither.
        protocol: everything else that the value depends on.
    """

    name: str
    direction: str
    value: float
    interval: tuple[float, float] | None
    real: float | None
    untranslated: float | None
    better: Literal["higher", "lower"] | None
    protocol: Mapping[str, Any]

    def field(self, name: str) -> Any:
        """Return the value of a field named by `differing`: an attribute or an entry of the protocol.

        Options that are not set are left out, because an earlier version of the metric may not have had them.
        """
        value = getattr(self, name) if name in _OWN_FIELDS else self.protocol.get(name)
        if name == "options" and isinstance(value, Mapping):
            return {option: setting for option, setting in value.items() if setting is not None}
        return value

    def to_json(self) -> dict[str, Any]:
        """Return the number as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Number:
        """Return the number from the result of `to_json`, as written by this or an earlier version of cgkit.

        Raises:
            KeyError, TypeError: the values do not describe a number.
        """
        interval = values["interval"]
        values = {_FORMER_NAMES.get(name, name): value for name, value in values.items()}
        known = {name: values[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, "interval": None if interval is None else tuple(interval)})


def differing(one: Number, other: Number) -> tuple[str, ...]:
    """Return the names of the fields that prevent a comparison of two numbers; empty if they can be compared."""
    names = dict.fromkeys([*_OWN_FIELDS, *one.protocol, *other.protocol])
    return tuple(name for name in names if one.field(name) != other.field(name))


def difference(one: Number, other: Number) -> float:
    """Return the value of the first number minus that of the second.

    Raises:
        UsageError: the numbers were measured differently; the message lists every field that differs.
    """
    fields = differing(one, other)
    if fields:
        both = "; ".join(f"{name} is {one.field(name)!r} and {other.field(name)!r}" for name in fields)
        raise UsageError(
            f"{one.name} {one.direction} and {other.name} {other.direction} were measured differently: {both}",
            hint="measure both again with the same settings: cgkit evaluate",
        )
    return one.value - other.value
