"""Base classes of the tables in a spec."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Table(BaseModel):
    """A table of the spec: unknown keys, wrong types and non-finite numbers are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class OpenTable(Table):
    """A table with the options of a component next to its own keys."""

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        """The options of the component: all keys that are not the table's own."""
        return dict(self.model_extra or {})


class Use(OpenTable):
    """A component with its options; without a name, the default of its kind."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
