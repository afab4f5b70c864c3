"""What a spec says of images: where they come from, and what is in their files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from cgkit.spec.tables import OpenTable, Table

Pixels = Annotated[int, Field(ge=1, le=16_384)]
Channels = Annotated[int, Field(ge=1, le=1024)]
Level = Annotated[float, Field(ge=-3.4e38, le=3.4e38)]
Range = tuple[Level, Level]
Depth = Literal["uint8", "uint16", "uint32", "int16", "int32", "float32"]

_HELD = {
    "uint8": (0, 2**8 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "float32": (-3.4e38, 3.4e38),
}
"""The lowest and the highest value that each type holds."""


class Ranges(Table):
    """The values that are black and white in the files of each domain; one range stands for both."""

    a: Range | None = Field(default=None, description="[lowest, highest]; without it, all that 8 or 16 bits hold.")
    b: Range | None = Field(default=None, description="Likewise.")

    @field_validator("a", "b", mode="before")
    @classmethod
    def _pair(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("a", "b")
    @classmethod
    def _ascending(cls, value: Range | None) -> Range | None:
        if value is not None and not value[0] < value[1]:
            raise ValueError("should be [lowest, highest], the first below the second")
        return value


class Depths(Table):
    """The type of the values in translations into each domain; one name stands for both."""

    a: Depth | None = Field(default=None, description="Without it, that of the domain's files.")
    b: Depth | None = Field(default=None, description="Likewise.")


class Data(OpenTable):
    """Where images come from, and how they are read. Further keys are the source's options."""

    source: str | None = Field(default=None, min_length=1, max_length=200, description="The source component.")
    size: tuple[Pixels, Pixels] = Field(default=(256, 256), description="Trained size: one number, or [height, width].")
    channels: tuple[Channels, Channels] = Field(
        default=(3, 3), description="Channels of both domains: one number, or { a = 3, b = 1 }."
    )
    background: tuple[int, int, int] = Field(
        default=(255, 255, 255), description="The colour, 0 to 255, that shows through transparent pixels."
    )
    alpha: Literal["composite", "carry", "channel"] = Field(
        default="composite",
        description="Transparency is composited over the background; or so, and given to the translation (carry); "
        "or the last of 2 or 4 channels.",
    )
    range: Ranges = Ranges()
    depth: Depths = Depths()
    pages: Literal["single", "bands"] = Field(
        default="single", description="Whether the pages of a TIFF file are bands of one image."
    )
    array: str | None = Field(
        default=None, min_length=1, max_length=200, description="The array in .npz files that hold several."
    )
    workers: int | Literal["auto"] = Field(
        default="auto", description="Processes that read images; auto is 0 for generated data, else 2."
    )

    @field_validator("size", "channels", mode="before")
    @classmethod
    def _both(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, int) and not isinstance(value, bool):
            return (value, value)
        if info.field_name == "channels" and isinstance(value, dict) and set(value) == {"a", "b"}:
            return (value["a"], value["b"])
        # An array of JSON passes for a strict tuple, but a list of Python does not.
        return tuple(value) if isinstance(value, list) else value

    @field_validator("range", "depth", mode="before")
    @classmethod
    def _for_both(cls, value: Any) -> Any:
        return {"a": value, "b": value} if isinstance(value, (list, tuple, str)) else value

    @field_validator("workers")
    @classmethod
    def _bounded(cls, value: Any) -> Any:
        if value != "auto" and not 0 <= value <= 64:
            raise ValueError('should be "auto" or from 0 to 64')
        return value

    @field_validator("background")
    @classmethod
    def _levels(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if not all(0 <= level <= 255 for level in value):
            raise ValueError("should be three numbers from 0 to 255")
        return value


def unheld(depth: str, span: Range | None) -> str | None:
    """Return why values of a type cannot be written over a range, or None where they can."""
    if span is None:
        return None if depth in ("uint8", "uint16") else f"{depth} needs to know what its values range over: data.range"
    low, high = _HELD[depth]
    if low <= span[0] and span[1] <= high:
        return None
    return f"{depth} cannot hold data.range, {span[0]:g} to {span[1]:g}"
