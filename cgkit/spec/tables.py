"""Base classes of the tables in a spec."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Table(BaseModel):
    """A table of the spec, in which unknown keys, wrong types and non-finite numbers are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class OpenTable(Table):
    """A table that also accepts the options of a component, in addition to the keys defined here."""

    model_config = ConfigDict(extra="allow")

    @property
    def options(self) -> dict[str, Any]:
        """The options of the component: all keys that the table itself does not define."""
        return dict(self.model_extra or {})


class Use(OpenTable):
    """A component with its options; if `name` is None, the default component of its kind."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
