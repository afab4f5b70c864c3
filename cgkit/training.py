"""Training with a report of it: what `cgkit run` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cgkit.engine import launch
from cgkit.engine.progress import Reporter
from cgkit.engine.run import Outcome
from cgkit.plugins import Plugins, load_plugins
from cgkit.report.plugin import with_report


def run(
    spec: Path | str,
    *,
    overrides: Sequence[str] = (),
    output: Path | str | None = None,
    device: str | None = None,
    plugins: Plugins | None = None,
    reporter: Reporter | None = None,
) -> Outcome:
    """Train what a spec describes, or continue doing so; `report.html` in the run folder shows it.

    Args:
        spec: the spec's TOML file.
        overrides: `path=value` texts that win over the file.
        output: the run folder; by default `runs/` and the spec's name.
        device: `cpu`, `cuda` or `cuda:N`; by default CUDA where there is one.
        plugins: the loaded plugins; by default all that are installed.
        reporter: what shows the run to a person; by default nothing does.

    Raises:
        CgkitError: see its subclasses; nothing that was there before is lost.
    """
    observed = with_report(plugins or load_plugins())
    return launch.run(spec, overrides=overrides, output=output, device=device, plugins=observed, reporter=reporter)
