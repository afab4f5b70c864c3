"""Sweeps over the settings of a spec with Optuna: the command `cgkit tune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cgkit import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def cgkit_commands(cli: click.Group) -> None:
    """Add `cgkit tune`."""
    from cgkit_optuna.command import tune

    cli.add_command(tune)
