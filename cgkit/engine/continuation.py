"""Whether a run folder may be continued with a spec and with data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cgkit.engine.run_folder import difference
from cgkit.errors import DataError, Problem, SpecError
from cgkit.spec import Spec
from cgkit.spec.loading import located
from cgkit.spec.reading import Layer

MAY_CHANGE = ("name", "train.steps", "train.epochs", "checkpoint", "samples", "log", "evaluation", "metric", "tracker")
MAY_CHANGE_IN_DATA = ("data.workers",)


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


def _shown(value: Any) -> str:
    return "absent" if value is None else repr(value)
