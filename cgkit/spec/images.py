"""The `[data]` table of a spec: where images come from, and the format of their values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from cgkit.spec.tables import OpenTable, Table

Name = Annotated[str, Field(pattern=r"^[^\x00-\x1f]{1,40}$")]
Pixels = Annotated[int, Field(ge=1, le=16_384)]
Channels = Annotated[int, Field(ge=1, le=1024)]
Level = Annotated[float, Field(ge=-3.4e38, le=3.4e38)]
Range = tuple[Level, Level]
Factors = tuple[Annotated[float, Field(gt=0, le=1000)], Annotated[float, Field(gt=0, le=1000)]]
"""A vertical and a horizontal factor."""
Depth = Literal["uint8", "uint16", "uint32", "int16", "int32", "float32"]

_LIMITS = {
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "float32": (-3.4e38, 3.4e38),
}
"""The lowest and highest value of each type."""


class Ranges(Table):
    """The values of black and white in the files of each domain; a single range applies to both domains."""

    a: Range | None = Field(
        default=None, description="[lowest, highest]; by default the full range of 8-bit or 16-bit values."
    )
    b: Range | None = Field(default=None, description="The same for domain b.")

    @field_validator("a", "b", mode="before")
    @classmethod
    def _convert_pair(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("a", "b")
    @classmethod
    def _check_order(cls, value: Range | None) -> Range | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("should be [lowest, highest] with lowest < highest")
        return value


class Depths(Table):
    """The data type of translations into each domain; a single type applies to both domains."""

    a: Depth | None = Field(default=None, description="By default the type of the domain's files.")
    b: Depth | None = Field(default=None, description="The same for domain b.")


class Scales(Table):
    """The factors by which training scales the images of each domain; a single number applies to both."""

    a: Factors | None = Field(
        default=None, description="A number, or [vertical, horizontal]; by default measured on the training images."
    )
    b: Factors | None = Field(default=None, description="The same for domain b.")

    @field_validator("a", "b", mode="before")
    @classmethod
    def _expand_factor(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return (float(value), float(value))
        return tuple(value) if isinstance(value, list) else value


class Data(OpenTable):
    """Where images come from and how they are read. All other keys are options of the source."""

    source: str | None = Field(default=None, min_length=1, max_length=200, description="The source component.")
    names: tuple[Name, Name] | None = Field(
        default=None,
        description='What the two domains are called, for people to read, such as ["horse", "zebra"]; by default as '
        "the source calls them.",
    )
    size: tuple[Pixels, Pixels] = Field(
        default=(256, 256), description="Training size in pixels: one number, or [height, width]."
    )
    channels: tuple[Channels, Channels] = Field(
        default=(3, 3), description="Channels of each domain: one number, or { a = 3, b = 1 }."
    )
    background: tuple[int, int, int] = Field(
        default=(255, 255, 255), description="The colour behind transparent pixels, each value from 0 to 255."
    )
    alpha: Literal["composite", "carry", "channel"] = Field(
        default="composite",
        description="composite: images are composited over the background; carry: the same, but a translation gets the "
        "alpha channel of its source image; channel: alpha is the last of 2 or 4 channels.",
    )
    range: Ranges = Ranges()
    depth: Depths = Depths()
    trained_scale: Scales = Scales()
    pages: Literal["single", "bands"] = Field(
        default="single", description="bands: the pages of a TIFF file are channels of one image."
    )
    array: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="The name of the array to read from .npz files that contain several.",
    )
    skip_damaged: bool = Field(
        default=False,
        description="Whether to skip damaged images, with a warning, instead of refusing to train: those whose header "
        "cannot be read are left out, and those that cannot be decoded are replaced by other images of the domain.",
    )
    workers: int | Literal["auto"] = Field(
        default="auto",
        description="Number of processes that read images; auto: with a GPU, most cores; on a CPU, 2, or 0 for "
        "rendered images.",
    )

    @field_validator("size", "channels", "names", mode="before")
    @classmethod
    def _expand_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return (value, value)
        if info.field_name == "channels" and isinstance(value, dict) and set(value) == {"a", "b"}:
            return (value["a"], value["b"])
        # In strict mode pydantic accepts a JSON array as a tuple, but not a Python list.
        return tuple(value) if isinstance(value, list) else value

    @field_validator("range", "depth", mode="before")
    @classmethod
    def _expand_value(cls, value: Any) -> Any:
        return {"a": value, "b": value} if isinstance(value, (list, tuple, str)) else value

    @field_validator("trained_scale", mode="before")
    @classmethod
    def _expand_scale(cls, value: Any) -> Any:
        return {"a": value, "b": value} if isinstance(value, (list, tuple, int, float)) else value

    @field_validator("workers")
    @classmethod
    def _check_workers(cls, value: Any) -> Any:
        if value != "auto" and not 0 <= value <= 64:
            raise ValueError('should be "auto" or a number from 0 to 64')
        return value

    @field_validator("background")
    @classmethod
    def _check_background(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if not all(0 <= level <= 255 for level in value):
            raise ValueError("should be three numbers from 0 to 255")
        return value


def unheld(depth: str, span: Range | None) -> str | None:
    """Return why translations in a data type cannot store a range of values, or None if they can."""
    if span is None:
        return None if depth in ("uint8", "uint16") else f"{depth} needs data.range"
    low, high = _LIMITS[depth]
    if low <= span[0] and span[1] <= high:
        return None
    return f"{depth} cannot store data.range, {span[0]:g} to {span[1]:g}"


def labels_of(spec: Mapping[str, Any]) -> dict[str, str]:
    """Return what a person calls the directions and domains of a run: `a2b` is "horse to zebra", `a` is "horse".

    Args:
        spec: a resolved spec as JSON values, which may be incomplete. Without `data.names`, `a2b` is "a to b", and `a`
            is "domain a".
    """
    data = spec.get("data")
    names = data.get("names") if isinstance(data, Mapping) else None
    if isinstance(names, Sequence) and len(names) == 2:
        a, b = map(str, names)
        return {"a2b": f"{a} to {b}", "b2a": f"{b} to {a}", "a": a, "b": b}
    return {"a2b": "a to b", "b2a": "b to a", "a": "domain a", "b": "domain b"}


def in_words(text: str, labels: Mapping[str, str]) -> str:
    """Return a text in which `domain a`, `a2b` and so on are replaced by their labels (see `labels_of`)."""
    return re.sub(r"\b(?:domain ([ab])|(a2b|b2a))\b", lambda match: labels[match[1] or match[2]], text)
