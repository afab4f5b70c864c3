"""Images in shards: local or remote tar files of many images each, with an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cgkit import hookimpl
from cgkit.registry import Registries

if TYPE_CHECKING:
    import click


@hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the source."""
    registries.sources.add(
        "shards",
        "cgkit_shards.source:Shards",
        summary="Images in tar shards on disk or behind a URL, with a cache of limited size.",
    )


@hookimpl
def cgkit_commands(cli: click.Group) -> None:
    """Add `cgkit shards`."""
    from cgkit_shards.commands import shards

    cli.add_command(shards)
