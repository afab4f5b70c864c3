"""Start a run from a spec: validate everything first, then train."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cgkit.abilities import ignored_by
from cgkit.display.console import rank
from cgkit.display.python import reporter_for_caller
from cgkit.display.reporter import Reporter
from cgkit.engine.distributed import join
from cgkit.errors import UsageError
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.context import RunContext
from cgkit.runs.continuing.launch import SPEC, Launch, is_combined, read_launch
from cgkit.runs.folder import RunFolder
from cgkit.runs.header import header
from cgkit.runs.outcome import Outcome
from cgkit.runs.preparation import prepare
from cgkit.runs.run import Run
from cgkit.spec import Spec
from cgkit.spec.loading import read_layers
from cgkit.spec.reading import Layer


def run(
    spec: Path | str | Mapping[str, Any] | Spec,
    *,
    overrides: Sequence[str] = (),
    changes: Sequence[str] = (),
    output: Path | str | None = None,
    device: str | None = None,
    until: int | None = None,
    plugins: Plugins | None = None,
    reporter: Reporter | None = None,
) -> Outcome:
    """Train the model that a spec describes, or resume its run if the run folder already contains one.

    Args:
        spec: the spec's TOML file; or its tables and keys, whose relative paths count from the working folder; or a run
            folder, to continue its run with the overrides, plugin files and device that it was started with.
        overrides: `path=value` texts that take precedence over the file.
        changes: settings and tables, such as `train.learning_rate` or `data`, that may differ from those of the run in
            the run folder, which then continues with the new values.
        output: the run folder; by default the folder in `runs/` that has the spec's name, or `spec` if it is a folder.
        device: `cpu`, `cuda` or `cuda:N`; by default CUDA if available.
        until: the step at which the run is saved and stops as if it were asked to, unless it ends before. Called again,
            it goes on as if it had never stopped: schedules follow the steps of the spec.
        plugins: the loaded plugins; by default all that are installed.
        reporter: shows the run to its user, for example `cgkit.display.reporter.Silence()`. By default, the run is
            shown in a terminal or in a Jupyter notebook, and its warnings are Python's (`RunWarning`).

    Raises:
        CgkitError: the run cannot start, or it fails (see the subclasses); existing checkpoints are kept.
    """
    _refuse_workers()
    earlier, named = Launch(), spec
    if isinstance(spec, str | Path) and Path(spec).is_dir():
        earlier, output, spec = read_launch(Path(spec)), output or spec, Path(spec) / SPEC
        if not is_combined(spec.parent):
            overrides = (*earlier.overrides, *overrides)
    plugins = plugins or load_plugins(files=list(map(Path, earlier.plugins)))
    layers = read_layers(spec if isinstance(spec, Mapping | Spec) else Path(spec), overrides)
    folder = RunFolder(Path(output) if output is not None else Path("runs") / _name_of(layers))
    with nullcontext(reporter) if reporter is not None else reporter_for_caller() as shown:
        if earlier != Launch():
            shown.message(f"{named} was started with {earlier}")
        launch = earlier.followed_by(overrides, plugins.files, device)
        return _run_shown(layers, folder, plugins, launch, shown, changes, until)


def _refuse_workers() -> None:
    """Refuse to start a run in a worker process, which imports the script of the run again if it was spawned."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise UsageError(
            "a worker process that loads images started this script again, up to cgkit.run",
            hint='put the call under `if __name__ == "__main__":`, or set data.workers = 0',
        )


def _run_shown(
    layers: Sequence[Layer],
    folder: RunFolder,
    plugins: Plugins,
    launch: Launch,
    reporter: Reporter,
    changes: Sequence[str],
    until: int | None,
) -> Outcome:
    if rank() == 0:
        folder.refuse_if_in_use()
    reporter.stage("reading the spec and the headers of the images")
    prepared = prepare(layers, plugins, launch.device, folder=folder, reporter=reporter, changes=changes)
    for place, kinds in ignored_by(prepared.assembly.source).items():
        reporter.message(f"ignored in {place}: {kinds}")
    with join(prepared.device) as processes:
        context = RunContext(
            prepared.spec,
            prepared.assembly,
            folder,
            plugins,
            prepared.device,
            reporter,
            processes=processes,
            layers=layers,
            declared=changes,
            left_out=prepared.left_out,
            launch=launch,
            started=prepared.started,
            until=until,
        )
        run = Run(context)
        reporter.begin(*header(context, run, prepared.images))
        return run.train()


def _name_of(layers: Sequence[Layer]) -> str:
    """Return the name of the run in a spec; if this name is invalid, which is reported later, return the default."""
    names = [layer.values["name"] for layer in layers if "name" in layer.values]
    try:
        return Spec.model_validate({"name": names[-1]} if names else {}).name
    except ValidationError:
        return Spec().name
