"""The hooks that a plugin may implement.

A plugin is a module named by an entry point of the group `cgkit`, or a file given with `--plugin`. It implements any of
these functions, marked with `@cgkit.hookimpl`, with only the arguments that it needs. Later versions may add arguments
to a hook, but never remove any.

The `cgkit_run_*`, step, sample and checkpoint hooks are called from a separate thread for each plugin while the run
waits. If a hook raises, or takes longer than `log.patience` in the spec, its plugin is not called again, and the run
continues.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

if TYPE_CHECKING:
    import click
    from torch import Tensor

    from cgkit.registry import Registries

hookspec = pluggy.HookspecMarker("cgkit")
hookimpl = pluggy.HookimplMarker("cgkit")


class RunFolderView(Protocol):
    """The folder of a run, as hooks see it."""

    @property
    def path(self) -> Path:
        """The path of the folder."""

    def status(self) -> dict[str, Any]:
        """Return the content of `status.json`; an empty dictionary if it does not exist yet."""


class RunView(Protocol):
    """A run, as hooks see it."""

    @property
    def spec(self) -> Any:
        """The resolved spec, a `cgkit.spec.Spec`."""

    @property
    def plugins(self) -> Any:
        """The loaded plugins, a `cgkit.plugins.Plugins`."""

    @property
    def folder(self) -> RunFolderView:
        """The run folder."""

    @property
    def step(self) -> int:
        """The number of completed steps."""

    @property
    def steps(self) -> int:
        """The number of steps of the whole run."""

    def settings(self, package: str) -> Any:
        """Return the settings of a package from the table `[plugins.PACKAGE]`, as its `cgkit_settings` builds them."""


@hookspec
def cgkit_register(registries: Registries) -> None:
    """Add components; called once, when the plugin is loaded.

    `registries.generators.add("name", "module:attribute", summary="One sentence.")`, and the same for every kind.
    """


@hookspec
def cgkit_commands(cli: click.Group) -> None:
    """Add commands to `cgkit`; called if the user gives a command that is not built in, and for `cgkit --help`."""


@hookspec
def cgkit_run_started(run: RunView) -> None:
    """Observe a run before its first step; if the run resumes, the checkpoint has been loaded."""


@hookspec
def cgkit_step_finished(run: RunView, step: int, losses: Mapping[str, Tensor]) -> None:
    """Observe the losses of a step, which are on the device: reading them at every step slows the run down.

    During the next step, cgkit checks whether these losses are finite. If not, their step is undone and the run ends.
    """


@hookspec
def cgkit_samples_written(run: RunView, step: int, file: Path) -> None:
    """Observe a sheet of sample translations that has been written to `file`."""


@hookspec
def cgkit_checkpoint_saved(run: RunView, step: int, folder: Path) -> None:
    """Observe a checkpoint that has been completely written to `folder`."""


@hookspec
def cgkit_run_finished(run: RunView, error: BaseException | None) -> None:
    """Observe the end of a run; `error` is None if the run finished, or was stopped and saved."""
