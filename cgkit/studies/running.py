"""Train what is missing of a study. Several processes and machines can share its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cgkit.display.reporter import Reporter
from cgkit.errors import CgkitError, Problem, ResourceError, RunFolderInUseError, SpecError, UsageError
from cgkit.evaluation.record import read_evaluation
from cgkit.plugins import Plugins
from cgkit.report.facts import training_time
from cgkit.report.record import read_record
from cgkit.runs.check import check_spec
from cgkit.runs.continuing.launch import SPEC
from cgkit.runs.folder import RunFolder
from cgkit.runs.start import run
from cgkit.spec.loading import located, read_layers, resolve_spec
from cgkit.spec.merging import combine
from cgkit.spec.reading import Layer, read_layer, read_override
from cgkit.studies.study import ALONE, PlannedRun, Study

State = Literal["missing", "unfinished", "running", "finished", "failed", "other"]


@dataclass(frozen=True)
class Found:
    """What there is of a planned run.

    Attributes:
        planned: the run.
        folder: its folder.
        state: `missing`; `unfinished` if it was stopped or killed; `running` in some process; `finished`; `failed`; or
            `other` if the folder holds a run of another spec.
        note: why it failed, or how its spec is different; empty otherwise.
        exit_code: that with which it failed; 0 otherwise.
        seconds: the time it trained, if it is finished.
        device: the device that it trained on, if it is finished.
    """

    planned: PlannedRun
    folder: Path
    state: State
    note: str = ""
    exit_code: int = 0
    seconds: float | None = None
    device: str = ""


def look(study: Study, output: Path, plugins: Plugins) -> list[Found]:
    """Return what there is of each run of a study.

    Raises:
        SpecError: the base spec, an override of a variant or of a data set, or the name of a metric is invalid.
    """
    found: list[Found] = []
    problems = {str(problem): problem for problem in _find_unknown_metrics(study, plugins)}
    for planned in study.runs():
        try:
            found.append(look_at(study, planned, output, plugins))
        except SpecError as error:
            problems |= {str(problem): problem for problem in error.problems}
    if problems:
        raise SpecError(list(problems.values()))
    return found


def _find_unknown_metrics(study: Study, plugins: Plugins) -> list[Problem]:
    problems = []
    for index, name in enumerate(study.metrics or ()):
        try:
            plugins.registries.metrics[name]
        except CgkitError as error:
            problems.append(Problem.of(f"metrics.{index}", error))
    return located(problems, [study.layer])


def look_at(study: Study, planned: PlannedRun, output: Path, plugins: Plugins) -> Found:
    """Return what there is of one run."""
    folder, wanted = RunFolder(output / planned.path), _combine(study, planned, plugins)
    try:
        return _look_into(folder, planned, wanted)
    except CgkitError as error:  # a damaged file; the others go on
        return Found(planned, folder.path, "failed", str(error), error.exit_code)


def _look_into(folder: RunFolder, planned: PlannedRun, wanted: Mapping[str, Any]) -> Found:
    if folder.is_in_use():
        return Found(planned, folder.path, "running")
    if not (folder.path / SPEC).exists():
        return Found(planned, folder.path, "missing")
    if changed := _compare(read_layer(folder.path / SPEC).values, wanted):
        return Found(planned, folder.path, "other", f"was run with another {', '.join(changed[:3])}")
    status = folder.status()
    if status.get("state") in ("failed", "diverged"):
        why, code = str(status.get("error") or status["state"]), status.get("exit_code")
        return Found(planned, folder.path, "failed", why, code if type(code) is int and code else 1)
    if status.get("state") != "finished":
        return Found(planned, folder.path, "unfinished")
    device = str(folder.environment().get("device", "unknown"))
    read_evaluation(folder.path)  # or else damaged scores would be found when all are collected
    return Found(planned, folder.path, "finished", seconds=training_time(read_record(folder.path)), device=device)


def _combine(study: Study, planned: PlannedRun, plugins: Plugins) -> dict[str, Any]:
    """Return the valid spec of a run."""
    tables = [f"data.{planned.data}"] * (planned.data != ALONE) + [f"variants.{planned.variant}"]
    overrides = [replace(read_override(text), label=f"{study.file}: {tables[-1]}") for text in planned.overrides]
    layers = [*read_layers(study.base), *overrides]
    wanted = combine(layers, plugins.registries)
    try:
        resolve_spec(wanted, plugins, layers)
    except SpecError as error:
        raise SpecError([_find_line(problem, tables, study.layer) for problem in error.problems]) from None
    return wanted


def _find_line(problem: Problem, tables: Sequence[str], layer: Layer) -> Problem:
    """Return a problem with its line in the file of the study if it has none, because an override is wrong."""
    for table in tables if problem.line is None else ():
        if layer.nearest(f"{table}.{problem.path}").startswith(f"{table}."):
            return located([replace(problem, path=f"{table}.{problem.path}")], [layer])[0]
    return problem


def run_study(
    study: Study,
    found: Sequence[Found],
    output: Path,
    plugins: Plugins,
    reporter: Callable[[], AbstractContextManager[Reporter]],
    *,
    device: str | None = None,
    retry: bool = False,
    say: Callable[[str], None] = lambda text: None,
) -> list[Found]:
    """Train the missing runs one after the other, and continue those that were stopped; return what there is then.

    A run that fails is recorded and left behind; the others go on. A run that another process trains is left to it.

    Args:
        study: the study.
        found: what there is of its runs (see `look`).
        output: the folder of the study.
        plugins: the loaded plugins.
        reporter: returns what shows one run.
        device: the device to train on; None for the default.
        retry: whether to train failed runs again.
        say: called with a sentence on each run: before it, if it failed, and if another process trains it.

    Raises:
        SpecError: the base spec or an override is invalid.
        UsageError: a folder of the study holds a run of another spec.
        ResourceError: the disk is full, or cannot be written to.
    """
    refuse_others(found)
    states = ("missing", "unfinished", *(("failed",) if retry else ()))
    todo = [each for each in found if each.state in states]
    failures: dict[PlannedRun, CgkitError] = {}
    for number, each in enumerate(todo, 1):
        now = look_at(study, each.planned, output, plugins).state
        if now in ("running", "finished"):
            say(f"{each.planned} is left to another process")
            continue
        verb = "continuing" if now == "unfinished" else "training"
        say(f"run {number} of {len(todo)}: {verb} {each.planned}")
        try:
            with reporter() as shown:
                options: dict[str, Any] = {"device": device, "plugins": plugins, "reporter": shown}
                outcome = run(study.base, overrides=each.planned.overrides, output=each.folder, **options)
        except ResourceError:
            raise
        except RunFolderInUseError:
            say(f"{each.planned} is left to another process")
        except CgkitError as error:
            failures[each.planned] = error
            say(f"{each.planned} failed: {error}")
        else:
            if outcome.state == "stopped":
                break
    return [_with_failure(each, failures) for each in look(study, output, plugins)]


def _with_failure(found: Found, failures: Mapping[PlannedRun, CgkitError]) -> Found:
    """Return what there is of a run that may have failed before it could write why."""
    if found.planned not in failures or found.state == "running":
        return found
    error = failures[found.planned]
    return replace(found, state="failed", note=str(error), exit_code=error.exit_code)


def refuse_others(found: Iterable[Found]) -> None:
    """Refuse a folder with runs of another spec.

    Raises:
        UsageError: there are some.
    """
    others = [each for each in found if each.state == "other"]
    if others:
        named = "; ".join(f"{each.folder} {each.note}" for each in others[:3])
        more = f"; and {len(others) - 3} more" if len(others) > 3 else ""
        hint = "choose another --output, or remove these folders"
        raise UsageError(f"the study has changed: {named}{more}", hint=hint)


def estimate(study: Study, found: Sequence[Found], plugins: Plugins, device: str | None) -> dict[str, float]:
    """Return the estimated seconds of a run on each data set that has missing runs.

    They are the mean of its finished runs or, if there are none, measured with some real steps.
    """
    seconds = {}
    for data in study.data:
        own = [each for each in found if each.planned.data == data]
        finished = [each.seconds for each in own if each.seconds is not None]
        missing = [each for each in own if each.state in ("missing", "unfinished")]
        if finished:
            seconds[data] = sum(finished) / len(finished)
        elif missing:
            overrides = missing[0].planned.overrides
            seconds[data] = check_spec(study.base, plugins, overrides=overrides, device=device).seconds_in_all
    return seconds


def _compare(one: Any, other: Any, place: str = "") -> list[str]:
    """Return the places at which two specs differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = dict.fromkeys([*one, *other])
        places = [_compare(one.get(key), other.get(key), f"{place}.{key}" if place else key) for key in keys]
        return [difference for found in places for difference in found]
    return [] if one == other else [place]
