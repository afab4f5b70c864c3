"""The spec with which a run was trained so far: its folder and its newest checkpoint must agree on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cgkit.checkpoints import read_latest_state
from cgkit.errors import CheckpointError
from cgkit.models.address import RESOLVED
from cgkit.plugins import Plugins
from cgkit.runs.continuing.changes import is_within, read_changes, shorten
from cgkit.runs.continuing.resume import affecting_changes
from cgkit.runs.folder import RunFolder


def trained_spec(
    folder: RunFolder, plugins: Plugins, report: Callable[[str], None] = lambda message: None
) -> dict[str, Any] | None:
    """Return the resolved spec of the run in a folder; None if the folder holds no run yet.

    If `spec.resolved.json` is missing or damaged, it is the spec in the newest checkpoint.

    Args:
        folder: the run folder.
        plugins: the loaded plugins.
        report: called with a sentence if the spec is that of the checkpoint.

    Raises:
        CheckpointError: the file is damaged, and there is no checkpoint; or it is not what the checkpoint was trained
            with.
    """
    file, problem = folder.path / RESOLVED, "is missing"
    state = read_latest_state(folder.checkpoints)
    saved = None if state is None else state.get("spec")
    try:
        remembered = folder.remembered_spec()
    except CheckpointError as error:
        if not isinstance(saved, dict):
            hint = None if folder.holds_state else f"the run saved nothing yet: remove {file} to start it again"
            raise CheckpointError(error.message, hint=hint) from error
        remembered, problem = None, error.message.removeprefix(f"{file} ")
    if not isinstance(saved, dict):
        return remembered
    if remembered is None:
        report(f"{file} {problem}; it is used as the newest checkpoint has it")
        return saved
    _refuse_edited(folder, saved, remembered, plugins)
    return remembered


def _refuse_edited(
    folder: RunFolder, saved: Mapping[str, Any], remembered: Mapping[str, Any], plugins: Plugins
) -> None:
    """Refuse a spec that differs from that of the newest checkpoint by more than the changes that were declared."""
    if saved == remembered:
        return
    declared = [change.path for change in read_changes(folder.path)]
    edited = [
        change for change in affecting_changes(saved, remembered, plugins) if not is_within(change.path, declared)
    ]
    if edited:
        first = edited[0]
        more = f" and {len(edited) - 1} more" if len(edited) > 1 else ""
        raise CheckpointError(
            f"{folder.path / RESOLVED} is not what the newest checkpoint was trained with: {first.path} is "
            f"{shorten(first.new)}, not {shorten(first.old)}{more}",
            hint="remove it to restore it from the checkpoint; to change a setting, use --set and --change",
        )
