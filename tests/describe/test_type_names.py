"""Types and bounds are put into words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MultipleOf
from pydantic import Field

from cgkit.describe.type_names import bounds, type_name


@pytest.mark.parametrize(
    ("annotation", "name", "limits"),
    [
        (int, "int", ""),
        (str, "text", ""),
        (Path | None, "path | none", ""),
        (Annotated[int, Ge(1), Le(512)], "int", ">= 1, <= 512"),
        (Annotated[float, Gt(0), Lt(1)] | None, "float | none", "> 0, < 1"),
        (Annotated[float, Interval(ge=0, lt=2)], "float", ">= 0, < 2"),
        (Annotated[int, Field(ge=3, le=9)], "int", ">= 3, <= 9"),
        (Annotated[int, MultipleOf(4)], "int", "a multiple of 4"),
        (Literal["instance", "batch"], '"instance" | "batch"', ""),
        (Literal["auto"] | bool, '"auto" | bool', ""),
        (list[Annotated[int, Ge(1)]], "list of int", "each >= 1"),
        (Annotated[tuple[int, ...], Len(1, 4)], "list of int", "at least 1 of them, at most 4 of them"),
        (tuple[int, float], "[int, float]", ""),
        (dict[str, Annotated[float, Ge(0)]], "table of float", "each >= 0"),
        (Any, "anything", ""),
    ],
)
def test_annotations_are_described_by_name_and_bounds(annotation: Any, name: str, limits: str) -> None:
    assert (type_name(annotation), bounds(annotation)) == (name, limits)
