"""Whether a run folder may be continued with a spec, with data and with plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cgkit.runs.folder import difference
from cgkit.errors import DataError, PluginError, Problem, SpecError
from cgkit.models.provenance import OBSERVERS
from cgkit.spec import Spec
from cgkit.spec.loading import located
from cgkit.spec.providers import providers_used
from cgkit.spec.reading import Layer

MAY_CHANGE = (
    "name",
    "license",
    "requires",
    "train.steps",
    "train.epochs",
    "train.memory",
    "train.compile",
    "checkpoint",
    "samples",
    "log",
    "evaluation",
    *OBSERVERS,
)
MAY_CHANGE_IN_DATA = ("data.workers", "data.depth")


def refuse_other_spec(remembered: Mapping[str, Any], spec: Spec, folder: Path, layers: Sequence[Layer] = ()) -> None:
    """Refuse a spec that would not continue what the folder holds.

    What is learned must be the same; how long, and how often it is recorded, may change.

    Raises:
        SpecError: with one problem for each difference.
    """
    problems = [
        Problem(path, f"was {_shown(old)} when {folder} was begun, now {_shown(new)}", "choose another --output")
        for path, old, new in difference(remembered, spec.to_json())
        if not path.startswith((*MAY_CHANGE, *MAY_CHANGE_IN_DATA))
        and not _means_the_same(old, new, path.rpartition(".")[2])
    ]
    if problems:
        raise SpecError(located(problems, layers))


def refuse_other_data(remembered: Mapping[str, Any], now: Mapping[str, str]) -> None:
    """Refuse to continue on other images than the run has seen so far.

    Raises:
        DataError: a domain's fingerprint differs.
    """
    changed = [domain for domain, fingerprint in now.items() if remembered.get(domain) not in (None, fingerprint)]
    if changed:
        raise DataError(
            f"the training images of domain {' and '.join(changed)} are not those that this run has seen so far",
            hint="restore them, or choose another --output",
        )


def _means_the_same(old: Any, new: Any, key: str) -> bool:
    """Return whether two values of a resolved spec differ at most in that a component's name has its provider or not.

    It has where another plugin provides the name as well, which may have come or gone since.
    """
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_means_the_same(old[inner], new[inner], inner) for inner in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(_means_the_same(*pair, key) for pair in zip(old, new, strict=True))
    if key in ("name", "source") and isinstance(old, str) and isinstance(new, str):
        shorter, longer = sorted((old, new), key=len)
        return f"/{longer}".endswith(f"/{shorter}")
    return bool(old == new)


def _shown(value: Any) -> str:
    return "absent" if value is None else repr(value)
