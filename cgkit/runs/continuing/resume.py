"""Rules for what may change between starting a run and resuming it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cgkit.engine.component_checks import plugin_at_fault
from cgkit.errors import (
    CgkitError,
    CgkitWarning,
    CheckpointError,
    DataError,
    Problem,
    SpecError,
    UsageError,
    did_you_mean,
    is_out_of_memory,
)
from cgkit.models.provenance import OBSERVERS
from cgkit.plugins import Plugins
from cgkit.registry import Component, describe_exception
from cgkit.runs.continuing.changes import Change, difference, is_within, shorten
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.loading import located
from cgkit.spec.reading import Layer
from cgkit.spec.upgrades import upgrade

MAY_CHANGE = (
    "name",
    "license",
    "requires",
    "train.steps",
    "train.epochs",
    "train.memory",
    "train.compile",
    "train.cuda_graph",
    "checkpoint",
    "samples",
    "log",
    "evaluation",
    "plugins",
    *OBSERVERS,
)
MAY_CHANGE_IN_DATA = ("data.workers", "data.depth", "data.skip_damaged", "data.trained_scale", "data.names")


FIXED = {
    "seed": "everything so far follows from it",
    "generator": "the saved weights belong to this network",
    "discriminator": "the saved weights belong to this network",
    "data.size": "the saved images of the pool have this size",
    "data.channels": "the networks have as many channels",
    "optimizer.generators.name": "the saved moments belong to this optimiser",
    "optimizer.discriminators.name": "the saved moments belong to this optimiser",
    "start": "the first weights have been taken",
    "train.initialisation": "the first weights have been drawn",
    "train.ema": "the average has been taken from the first step on",
    "train.image_pool": "the saved pool has this size",
}
"""Why a setting cannot change at all, by the place of the setting or of its table."""


def refuse_other_spec(
    remembered: Mapping[str, Any],
    spec: Spec,
    folder: Path,
    plugins: Plugins,
    layers: Sequence[Layer] = (),
    declared: Sequence[str] = (),
) -> list[Change]:
    """Refuse a spec that does not describe the training of the run in the folder; return the declared changes.

    Settings that affect what is learned must stay the same unless a change is declared. The length of training may
    change, and so may the settings of checkpoints, samples, records and evaluation. Options that the run's version of a
    component did not have count as having been at their defaults.

    Args:
        remembered: the resolved spec of the run in the folder.
        spec: the resolved spec now.
        folder: the run folder.
        plugins: the loaded plugins.
        layers: the spec's file and overrides, from which error messages quote.
        declared: the settings and tables that may differ.

    Raises:
        SpecError: other settings differ, or ones that cannot change; the error lists one problem for each of them.
        UsageError: a declared setting does not exist, or cannot change.
    """
    before, now = _to_mapping(_bring_up_to_date(remembered, plugins)), _to_mapping(spec.to_json())
    _check_declared(declared, [before, _to_mapping(spec.model_dump(mode="json"))])
    changes = _affecting(before, now)
    refused = [change for change in changes if _find_reason(change.path) or not is_within(change.path, declared)]
    if refused:
        raise SpecError(located(_explain(refused, folder), layers))
    return changes


def affecting_changes(old: Mapping[str, Any], new: Mapping[str, Any], plugins: Plugins) -> list[Change]:
    """Return the differences between two resolved specs that affect what is learned."""
    before, now = (_to_mapping(_bring_up_to_date(spec, plugins)) for spec in (old, new))
    return _affecting(before, now)


def _affecting(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    changes = [change for change in difference(before, now) if not _is_equivalent_at(change)]
    return [change for change in changes if not is_within(change.path, (*MAY_CHANGE, *MAY_CHANGE_IN_DATA))]


def _check_declared(declared: Sequence[str], specs: Sequence[Mapping[str, Any]]) -> None:
    for path in declared:
        if (reason := _find_reason(path)) is not None:
            raise UsageError(f"{path} cannot change during a run: {reason}", hint="choose another --output")
        known = [name for spec in specs for name in _list_paths(spec)]
        if path not in known:
            raise UsageError(
                f'the spec has no setting "{path}" that could change',
                hint=did_you_mean(path, known) or "name a setting or a table, such as train.learning_rate or data",
            )


def _explain(changes: Sequence[Change], folder: Path) -> list[Problem]:
    # If a component is another one, its options are too; only the name is worth a message.
    others = tuple(change.path.removesuffix("name") for change in changes if change.path.endswith(".name"))
    problems = []
    for change in changes:
        if change.path.startswith(others) and not change.path.endswith(".name"):
            continue
        message = f"was {shorten(change.old)} when {folder} was started, now {shorten(change.new)}"
        if (reason := _find_reason(change.path)) is not None:
            hint = f"it cannot change, because {reason}: change it back, or choose another --output"
        else:
            table = "data" if change.path.startswith("data.") else change.path.removesuffix(".name")
            hint = f"change it back, choose another --output, or continue with the change: --change {table}"
        problems.append(Problem(change.path, message, hint))
    return problems


def _find_reason(path: str) -> str | None:
    """Return why a setting cannot change; None if it can."""
    return next((reason for table, reason in FIXED.items() if is_within(path, [table])), None)


def _to_mapping(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a spec in which the terms are a table by their number, so that each term is compared by itself."""
    return {**spec, "term": {str(number): use for number, use in enumerate(spec.get("term") or ())}}


def _list_paths(values: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for key, value in values.items():
        inner = f"{path}.{key}" if path else key
        yield inner
        if isinstance(value, Mapping):
            yield from _list_paths(value, inner)


def _bring_up_to_date(remembered: Mapping[str, Any], plugins: Plugins) -> Mapping[str, Any]:
    """Return the spec of an earlier version, with its former names replaced and defaults for everything new."""
    try:
        with warnings.catch_warnings(action="ignore", category=CgkitWarning):
            # The versions that the run was made with may not be installed any more; they are checked elsewhere.
            return resolve_spec({**remembered, "requires": []}, plugins).to_json()
    except CgkitError:  # a component or an option no longer exists; the comparison shows what has changed
        return upgrade(remembered)


def refuse_other_data(
    remembered: Mapping[str, Any],
    now: Mapping[str, str],
    counts: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    declared: Sequence[str] = (),
) -> list[Change]:
    """Refuse to resume a run if its training images have changed, unless that is declared; return the changes.

    Args:
        remembered: the fingerprints of the training images in the checkpoint, by domain.
        now: their fingerprints now.
        counts: the numbers of training images by domain, in the checkpoint and now.
        declared: the settings and tables that may differ; the images belong to `data.a`, `data.b` and `data`.

    Raises:
        DataError: the fingerprint of a domain has changed.
    """
    changed = [domain for domain, fingerprint in now.items() if remembered.get(domain) not in (None, fingerprint)]
    refused = [domain for domain in changed if not is_within(f"data.{domain}", declared)]
    numbers = {domain: [count.get(domain) for count in counts] for domain in changed}
    if refused:
        found = "".join(f" (domain {side}: {old} before, {new} now)" for side, (old, new) in numbers.items() if old)
        raise DataError(
            f"the training images of domain {' and '.join(refused)} have changed since the run was started{found}",
            hint="restore them, choose another --output, or continue with these images: --change data",
        )
    return [
        Change(
            f"data.{side}", f"{old or 'other'} images", f"{new} images" + ", not all of them the same" * (old == new)
        )
        for side, (old, new) in numbers.items()
    ]


@contextmanager
def misfits_explained(changes: Sequence[Change]) -> Iterator[None]:
    """Name the changes of the spec in the error of a checkpoint that does not fit them."""
    try:
        yield
    except CheckpointError as error:
        if not changes:
            raise
        paths = ", ".join(change.path for change in changes)
        raise CheckpointError(
            f"the saved state does not fit the changed {paths}: {error.message}",
            hint="change it back, or choose another --output",
        ) from error


@contextmanager
def odd_state_explained(folder: Path, step: int, components: Iterable[Component]) -> Iterator[None]:
    """Turn what the values of a checkpoint cause that no run has written into a `CheckpointError`."""
    try:
        yield
    except CgkitError:
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        blamed = plugin_at_fault(error, components)
        if blamed is not None:
            raise blamed from error
        raise CheckpointError(
            f"the checkpoint of step {step} in {folder} holds a state that no run saves: {describe_exception(error)}",
            hint="remove it to continue from the one before",
        ) from error


def _is_equivalent_at(change: Change) -> bool:
    return _is_equivalent(change.old, change.new, change.path.rpartition(".")[2], moves=change.path.startswith("data."))


def _is_equivalent(old: Any, new: Any, key: str, *, moves: bool) -> bool:
    """Return whether two values of a resolved spec are equal, ignoring the provider in front of a component's name.

    A resolved name includes its provider only if another plugin provides the same name. The other plugin may have been
    installed or removed after the run was started. With `moves`, files may have any other path: what they contain is
    compared elsewhere.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(
            _is_equivalent(old[inner], new[inner], inner, moves=moves) for inner in old
        )
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(
            _is_equivalent(*pair, key, moves=moves) for pair in zip(old, new, strict=True)
        )
    if isinstance(old, str) and isinstance(new, str) and Path(old).is_absolute() and Path(new).is_absolute():
        return moves or Path(old).name == Path(new).name  # a moved project
    if key in ("name", "source") and isinstance(old, str) and isinstance(new, str):
        shorter, longer = sorted((old, new), key=len)
        return f"/{longer}".endswith(f"/{shorter}")
    return bool(old == new)
