"""`cgkit tune`: vary the settings of a spec and find the best ones."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from cgkit.cli.console import plugins as loaded_plugins

if TYPE_CHECKING:
    import optuna

    from cgkit_optuna.sweep import Parameter, Sweep
    from cgkit_optuna.trial import Trainer

STOPPED = 75
"""Exit code that asks a scheduler to run the same command again, as that of `cgkit run`."""


@click.command()
@click.argument("file", metavar="SWEEP", type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), help="Folder of the sweep. [default: sweeps/NAME]")
@click.option(
    "--storage",
    metavar="URL",
    help="Database of the study, such as postgresql://host/name. [default: sqlite, the file study.db in the folder]",
)
@click.option("--device", metavar="DEVICE", help="cpu, cuda or cuda:N. [default: cuda if available]")
@click.option(
    "--patience",
    type=click.IntRange(min=2),
    default=300,
    show_default=True,
    help="Seconds without a sign of life of its process after which another one continues a trial.",
)
@click.option("--dry-run", is_flag=True, help="Check the sweep and say what would be done; write nothing.")
@click.pass_context
def tune(
    context: click.Context,
    file: Path,
    output: Path | None,
    storage: str | None,
    device: str | None,
    patience: int,
    dry_run: bool,
) -> int:
    """Train trials with different settings, as the file SWEEP describes, and write the best spec.

    The same command in other processes or on other machines that share the folder works on the same trials. If it is
    stopped, it continues where it was.
    """
    from cgkit_optuna.study import open_study
    from cgkit_optuna.sweep import read_sweep
    from cgkit_optuna.trial import Trainer

    if storage is not None and "://" not in storage:
        raise click.BadParameter("should be a URL such as postgresql://host/name", param_hint="--storage")
    sweep, plugins = read_sweep(file), loaded_plugins(context)
    folder = output or Path("sweeps") / file.stem
    spec, better = _check(sweep, file, plugins)
    if dry_run:
        _say(_describe(sweep, spec.train.steps, better, folder))
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    study = open_study(
        sweep, folder, identity=sweep.identity(spec.to_json()), storage=storage, better=better, patience=patience
    )
    with _signals() as received:
        trainer = Trainer(study, sweep, folder, plugins, device, _say, _warn, lambda: bool(received))
        return _work(study, trainer, patience)


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that ask to stop; a second Ctrl-C interrupts at once."""
    received: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and number in received:
            raise KeyboardInterrupt
        received.append(number)

    wanted = [getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)]
    previous = {number: signal.signal(number, handle) for number in wanted}
    try:
        yield received
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _work(study: optuna.Study, trainer: Trainer, patience: int) -> int:
    """Train trials until the sweep has all of them, or others train the last ones; return the exit code."""
    from optuna.storages import fail_stale_trials
    from optuna.trial import TrialState

    from cgkit_optuna.study import FINISHED, count_trials, try_again
    from cgkit_optuna.trial import StoppedError

    waited_until: float | None = None
    while not trainer.is_stopping():
        fail_stale_trials(study)
        states = count_trials(study)
        finished, running = sum(states[state] for state in FINISHED), states[TrialState.RUNNING]
        if finished >= trainer.sweep.trials:
            return _summarise(study, trainer)
        if not states[TrialState.WAITING] and finished + running >= trainer.sweep.trials:
            waited_until = waited_until or time.monotonic() + patience + 1
            if time.monotonic() >= waited_until:
                return _summarise(study, trainer)
            time.sleep(min(1.0, patience / 5))
            continue
        waited_until = None
        try:
            study.optimize(trainer, n_trials=1)
        except StoppedError as stop:
            try_again(study, study.get_trials(deepcopy=False)[stop.number])
            break
        _write_best(study, trainer)
    _say("stopped and saved; to continue, run the same command again")
    return STOPPED


def _check(sweep: Sweep, file: Path, plugins: Any) -> tuple[Any, str]:
    """Check the spec with the extreme values of each parameter; return it, and which scores are better."""
    from cgkit import load_spec
    from cgkit.errors import Problem, SpecError, UsageError
    from cgkit.spec.loading import located
    from cgkit.spec.reading import read_layer
    from cgkit_optuna.sweep import override

    spec = load_spec(sweep.spec, plugins)
    problems: dict[str, Problem] = {}
    for path, parameter in sweep.parameters.items():
        for value in parameter.extremes:
            try:
                load_spec(sweep.spec, plugins, [override(path, value)])
            except SpecError as error:
                found = (Problem(f'parameters."{path}"', each.message, each.hint) for each in error.problems)
                problems |= {str(each): each for each in found}
    if problems:
        raise SpecError(located(problems.values(), [read_layer(file)]))
    component = plugins.registries.metrics.choose(sweep.metric)
    better = sweep.better or getattr(component.load(), "better", None)
    if better is None:
        problem = f"{sweep.metric} does not declare whether higher or lower values are better"
        raise UsageError(problem, hint='set better = "higher" or "lower" in the sweep')
    return spec, better


def _describe(sweep: Sweep, steps: int | None, better: str, folder: Path) -> str:
    lines = [f"{sweep.trials} trials of {sweep.spec}, to {folder}; {better} {sweep.metric} is better"]
    lines += [f"  {path}: {_format_values(parameter)}" for path, parameter in sweep.parameters.items()]
    if sweep.pruning is None:
        lines.append("no trial is pruned")
    elif steps is None:
        lines.append(f"rungs: {sweep.pruning.first} steps, and each {sweep.pruning.factor} times the one before")
    else:
        rungs = _until(sweep, steps)
        shares = [1 / sweep.pruning.factor**number for number in range(len(rungs) + 1)]
        parts = zip([0, *rungs], [*rungs, steps], shares, strict=True)
        least = sum(share * (end - start) for start, end, share in parts) / steps * sweep.trials
        lines.append(f"rungs: steps {', '.join(map(str, rungs)) or 'none'} of {steps}")
        price = f"at least {least:.1f} times the steps of a complete trial; the first trials go further than one in"
        lines.append(f"{price} {sweep.pruning.factor}, as they have little to be compared with")
    return "\n".join(lines)


def _format_values(parameter: Parameter) -> str:
    """Return the values of a parameter as text: `0.0001 to 0.01, logarithmic`."""
    if parameter.choices is not None:
        return ", ".join(map(str, parameter.choices))
    step = "" if parameter.step is None else f" in steps of {parameter.step:g}"
    return f"{parameter.low:g} to {parameter.high:g}{step}" + (", logarithmic" if parameter.log else "")


def _until(sweep: Sweep, steps: int) -> list[int]:
    from itertools import takewhile

    return list(takewhile(lambda rung: rung < steps, sweep.pruning.rungs())) if sweep.pruning else []


def _write_best(study: optuna.Study, trainer: Trainer) -> None:
    """Write the spec of the best complete trial to `best.toml`, if there is one."""
    from optuna.trial import TrialState

    from cgkit.files.atomic import replace_text
    from cgkit_optuna.study import folder_of

    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return
    best = study.best_trial
    written = (folder_of(trainer.folder, best) / "spec.toml").read_text(encoding="utf-8")
    body = "".join(line for line in written.splitlines(keepends=True) if not line.startswith("#")).lstrip()
    header = f"# The spec of trial {best.number}, the best of the sweep: {trainer.sweep.metric} {best.value:.6g}.\n"
    replace_text(trainer.folder / "best.toml", f"{header}\n{body}")


def _summarise(study: optuna.Study, trainer: Trainer) -> int:
    from optuna.trial import TrialState

    from cgkit_optuna.study import count_trials, folder_of, steps_trained

    states = count_trials(study)
    complete, pruned, running = (
        states[state] for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    )
    _say(f"{complete} trials complete, {pruned} pruned; {steps_trained(study)} steps trained")
    if running:
        _say(f"{running} trials are still training in other processes")
    if complete:
        _write_best(study, trainer)
        best = study.best_trial
        _say(f"best: {trainer.sweep.metric} {best.value:.4g}, trial {best.number}: {folder_of(trainer.folder, best)}")
        _say(f"its spec: {trainer.folder / 'best.toml'}")
    else:
        _warn("no trial is complete, so there is no best one")
    return 0


def _say(text: str) -> None:
    click.echo(text, err=True)


def _warn(text: str) -> None:
    click.echo(f"{click.style('warning:', fg='yellow')} {text}", err=True)
