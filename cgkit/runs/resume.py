"""Rules for what may change between starting a run and resuming it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cgkit.errors import DataError, Problem, SpecError
from cgkit.models.provenance import OBSERVERS
from cgkit.runs.folder import difference
from cgkit.spec import Spec
from cgkit.spec.loading import located
from cgkit.spec.reading import Layer

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
MAY_CHANGE_IN_DATA = ("data.workers", "data.depth")


def refuse_other_spec(remembered: Mapping[str, Any], spec: Spec, folder: Path, layers: Sequence[Layer] = ()) -> None:
    """Refuse a spec that does not describe the training of the run in the folder.

    Settings that affect what is learned must stay the same. The length of training may change, and so may the settings
    of checkpoints, samples, records and evaluation.

    Raises:
        SpecError: settings that must stay the same differ; the error lists one problem for each such setting.
    """
    problems = [
        Problem(path, f"was {_format(old)} when {folder} was started, now {_format(new)}", "choose another --output")
        for path, old, new in difference(_add_new_defaults(remembered), spec.to_json())
        if not path.startswith((*MAY_CHANGE, *MAY_CHANGE_IN_DATA))
        and not _is_equivalent(old, new, path.rpartition(".")[2])
    ]
    if problems:
        raise SpecError(located(problems, layers))


def _add_new_defaults(remembered: Mapping[str, Any]) -> dict[str, Any]:
    """Return an older spec, with defaults for the keys that did not exist when the spec was written."""
    return _fill(remembered, Spec().to_json())


def _fill(values: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    filled = {**defaults, **values}
    for key, default in defaults.items():
        if isinstance(default, Mapping) and isinstance(values.get(key), Mapping):
            filled[key] = _fill(values[key], default)
    return filled


def refuse_other_data(remembered: Mapping[str, Any], now: Mapping[str, str]) -> None:
    """Refuse to resume a run if its training images have changed since it was started.

    Raises:
        DataError: the fingerprint of a domain has changed.
    """
    changed = [domain for domain, fingerprint in now.items() if remembered.get(domain) not in (None, fingerprint)]
    if changed:
        raise DataError(
            f"the training images of domain {' and '.join(changed)} have changed since the run was started",
            hint="restore them, or choose another --output",
        )


def _is_equivalent(old: Any, new: Any, key: str) -> bool:
    """Return whether two values of a resolved spec are equal, ignoring the provider in front of a component's name.

    A resolved name includes its provider only if another plugin provides the same name. The other plugin may have been
    installed or removed after the run was started.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_is_equivalent(old[inner], new[inner], inner) for inner in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(_is_equivalent(*pair, key) for pair in zip(old, new, strict=True))
    if key in ("name", "source") and isinstance(old, str) and isinstance(new, str):
        shorter, longer = sorted((old, new), key=len)
        return f"/{longer}".endswith(f"/{shorter}")
    return bool(old == new)


def _format(value: Any) -> str:
    return "absent" if value is None else repr(value)
