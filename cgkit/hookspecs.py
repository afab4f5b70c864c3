"""Every hook that a plugin may implement: the plugin contract, on one page.

A plugin is a module named by an entry point of the group `cgkit`. It implements any of these functions, marked with
`@cgkit.hookimpl`, with as few of the arguments as it needs. Hooks only ever gain arguments.

The hooks that observe a run are called from a thread of the plugin's own while the run waits. A plugin that raises in
one, or takes longer than the spec's `log.patience`, is not called again, and the run goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    import click
    from torch import Tensor

    from cgkit.contracts import RunView
    from cgkit.registry import Registries

hookspec = pluggy.HookspecMarker("cgkit")
hookimpl = pluggy.HookimplMarker("cgkit")


@hookspec
def cgkit_register(registries: Registries) -> None:
    """Add components to the registries; called once, when the plugin is loaded.

    `registries.generators.add("name", "module:attribute", summary="One sentence.")`, and the same for every slot.
    """


@hookspec
def cgkit_commands(cli: click.Group) -> None:
    """Add commands to `cgkit`; called when a command that is not built in is asked for."""


@hookspec
def cgkit_run_started(run: RunView) -> None:
    """See a run before its first step, after whatever it resumes from was loaded."""


@hookspec
def cgkit_step_finished(run: RunView, step: int, losses: Mapping[str, Tensor]) -> None:
    """See the losses of a finished step; they are still on the device, so reading one every step costs time.

    Whether they are finite is looked at while the next step is under way: a step that was not is not applied, and ends
    the run.
    """


@hookspec
def cgkit_checkpoint_saved(run: RunView, step: int, folder: Path) -> None:
    """See a checkpoint that is safely on disk, in `folder`."""


@hookspec
def cgkit_run_finished(run: RunView, error: BaseException | None) -> None:
    """See the end of a run; `error` is None where it went well, or was stopped and saved."""
