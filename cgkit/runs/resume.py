"""Rules for what may change between starting a run and resuming it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cgkit.errors import CgkitError, CgkitWarning, DataError, Problem, SpecError
from cgkit.models.provenance import OBSERVERS
from cgkit.plugins import Plugins
from cgkit.runs.folder import difference
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
MAY_CHANGE_IN_DATA = ("data.workers", "data.depth", "data.trained_scale")


def refuse_other_spec(
    remembered: Mapping[str, Any], spec: Spec, folder: Path, plugins: Plugins, layers: Sequence[Layer] = ()
) -> None:
    """Refuse a spec that does not describe the training of the run in the folder.

    Settings that affect what is learned must stay the same. The length of training may change, and so may the settings
    of checkpoints, samples, records and evaluation. Options that the run's version of a component did not have count
    as having been at their defaults.

    Raises:
        SpecError: settings that must stay the same differ; the error lists one problem for each such setting.
    """
    changes = [
        (path, old, new)
        for path, old, new in difference(_bring_up_to_date(remembered, plugins), spec.to_json())
        if not path.startswith((*MAY_CHANGE, *MAY_CHANGE_IN_DATA))
        and not _is_equivalent(old, new, path.rpartition(".")[2])
    ]
    # If a component is another one, its options are too; only the name is worth a message.
    others = tuple(path.removesuffix("name") for path, _, _ in changes if path.endswith(".name"))
    problems = [
        Problem(
            path,
            f"was {_format(old)} when {folder} was started, now {_format(new)}",
            "change it back, or choose another --output",
        )
        for path, old, new in changes
        if not path.startswith(others) or path.endswith(".name")
    ]
    if problems:
        raise SpecError(located(problems, layers))


def _bring_up_to_date(remembered: Mapping[str, Any], plugins: Plugins) -> Mapping[str, Any]:
    """Return the spec of an earlier version, with its former names replaced and defaults for everything new."""
    try:
        with warnings.catch_warnings(action="ignore", category=CgkitWarning):
            # The versions that the run was made with may not be installed any more; they are checked elsewhere.
            return resolve_spec({**remembered, "requires": []}, plugins).to_json()
    except CgkitError:  # a component or an option no longer exists; the comparison shows what has changed
        return upgrade(remembered)


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
    if isinstance(old, str) and isinstance(new, str) and Path(old).is_absolute() and Path(new).is_absolute():
        return Path(old).name == Path(new).name  # a moved project; what the files contain is compared elsewhere
    if key in ("name", "source") and isinstance(old, str) and isinstance(new, str):
        shorter, longer = sorted((old, new), key=len)
        return f"/{longer}".endswith(f"/{shorter}")
    return bool(old == new)


def _format(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "absent" if value is None else text if len(text) <= 100 else f"{text[:97]}..."
