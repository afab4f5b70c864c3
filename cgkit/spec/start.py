"""The `[start]` table of a spec: the weights that a new run starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator

from cgkit.spec.tables import Table

Address = Annotated[str, Field(min_length=1, max_length=4096)]


def is_remote(address: str) -> bool:
    """Return whether an address names a model on a server: `hf:USER/NAME`, or a URL."""
    return address.lower().startswith(("hf:", "https://", "http://"))


class Addresses(Table):
    """Where the weights of each direction come from; a single address applies to both directions.

    An address is a run folder (its newest checkpoint), a checkpoint of it (`"runs/x@12000"`), its best model
    (`"runs/x@best"`), a model folder, also of the Hugging Face hub (`"hf:user/name"`) or at a URL
    (`"https://host/model/"`), or a file with one network, for which the direction has to be given:
    `from = { a2b = "latest_net_G_A.pth" }`.
    """

    a2b: Address | None = Field(default=None, description="For the generator from a to b and the discriminator of b.")
    b2a: Address | None = Field(default=None, description="For the generator from b to a and the discriminator of a.")


class Start(Table):
    """The weights that a new run starts from. Without this table, they are random. A resumed run ignores it."""

    model_config = ConfigDict(serialize_by_alias=True, json_schema_extra={"required": ["from"]})

    addresses: Addresses = Field(default=Addresses(), alias="from")
    generators: bool = Field(default=True, description="Whether to take the weights of generators.")
    discriminators: bool | Literal["auto"] = Field(
        default="auto",
        description="Whether to take the weights of discriminators, which only checkpoints have; auto: if there are "
        "any, and as far as they fit.",
    )
    weights: Literal["auto", "ema", "raw"] = Field(
        default="auto",
        description="The generators' moving average, or their weights as trained; auto: the average if there is one.",
    )
    swap: bool = Field(default=False, description="Whether to exchange the two directions of the source.")

    @field_validator("addresses", mode="before")
    @classmethod
    def _expand_address(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"a2b": value, "b2a": value}
        if isinstance(value, Mapping | Addresses):
            return value
        raise ValueError('should be an address such as "runs/x", or a table like { a2b = "runs/x" }')
