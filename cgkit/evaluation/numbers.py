"""What a metric said about one direction, how it was measured, and when two such numbers may be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cgkit.errors import UsageError

_FORMER_NAMES = {"floor": "real", "ceiling": "untranslated"}
"""What files of format 1 call the baselines."""


@dataclass(frozen=True)
class Number:
    """What a metric said about one direction.

    Attributes:
        name: the metric, as the spec calls it.
        direction: `a2b` or `b2a`.
        value: the mean over the test images, or what the metric says of them as a set.
        interval: where the value would lie for other test images like these, with a probability of 95 %; None where
            it cannot be said.
        real: what real images of the target domain score in place of the translations: the ground truth if
            translations are compared with their sources, training images if they are compared as a set. None if
            neither applies.
        untranslated: what the untranslated sources score; None if they cannot be compared.
        better: whether good translations have a higher or a lower value; None where neither is so.
        protocol: all that the value depends on beside the translations.
    """

    name: str
    direction: str
    value: float
    interval: tuple[float, float] | None
    real: float | None
    untranslated: float | None
    better: Literal["higher", "lower"] | None
    protocol: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Number:
        """Return the number that `to_json` gave, in this version or an earlier one.

        Raises:
            KeyError, TypeError: it is no such thing.
        """
        interval = values["interval"]
        values = {_FORMER_NAMES.get(name, name): value for name, value in values.items()}
        known = {name: values[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, "interval": None if interval is None else tuple(interval)})


def differing(one: Number, other: Number) -> tuple[str, ...]:
    """Return the names of what two numbers do not share and would have to share to be compared; empty if nothing."""
    fields = [field for field in ("name", "direction", "better") if getattr(one, field) != getattr(other, field)]
    keys = dict.fromkeys([*one.protocol, *other.protocol])
    return (*fields, *(key for key in keys if one.protocol.get(key) != other.protocol.get(key)))


def difference(one: Number, other: Number) -> float:
    """Return by how much the value of the first is above that of the second.

    Raises:
        UsageError: they were not measured alike; with every field that differs.
    """
    fields = differing(one, other)
    if fields:
        both = "; ".join(f"{field} is {_said(one, field)} and {_said(other, field)}" for field in fields)
        raise UsageError(
            f"{one.name} {one.direction} and {other.name} {other.direction} were not measured alike: {both}",
            hint="measure both again with the same settings: cgkit evaluate",
        )
    return one.value - other.value


def _said(number: Number, field: str) -> str:
    own = number.to_json()
    return repr(own[field] if field in ("name", "direction", "better") else number.protocol.get(field))
