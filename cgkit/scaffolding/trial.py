"""Try settings of a starter spec on this machine, to size a run."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from cgkit.display.reporter import Silence
from cgkit.engine.assembly import assemble
from cgkit.engine.memory import memory_errors_explained
from cgkit.errors import DataError
from cgkit.plugins import Plugins
from cgkit.runs.context import RunContext
from cgkit.runs.cost.pace import Pace, measure_pace, time_step, time_training
from cgkit.runs.folder import RunFolder
from cgkit.runs.run import Run
from cgkit.scaffolding.dataset import Dataset
from cgkit.scaffolding.presets import Preset
from cgkit.scaffolding.sizing import Candidate
from cgkit.scaffolding.starter_spec import write_spec
from cgkit.spec import resolve_spec

if TYPE_CHECKING:
    import torch


LONGER = 4.0, 20.0
"""The fewest and the most seconds for which the chosen setting is trained."""
SHARE = 0.005
"""The part of the run's time for which it is trained within these limits: the speed of shared machines varies."""


class Trial:
    """Trains for a few steps.

    Args:
        dataset: the data, whose test images are translated and scored.
        preset: the recipe.
        plugins: the loaded plugins.
        device: the device to compute on.
        report: called with a line before each measurement and after it.
    """

    def __init__(
        self, dataset: Dataset, preset: Preset, plugins: Plugins, device: torch.device, report: Callable[[str], None]
    ) -> None:
        self._dataset = dataset
        self._preset = preset
        self._plugins = plugins
        self._device = device
        self._report = report
        self.arithmetic = ""
        """The precision and the device of the trials: `bf16 on cpu`."""

    def time_step(self, candidate: Candidate) -> float:
        """Return the seconds of a training step.

        Raises:
            ResourceError: there is not enough memory.
        """
        height, width = candidate.size
        self._report(f"measuring {width}x{height} pixels, width {candidate.width}, {candidate.blocks} blocks ...")
        with memory_errors_explained():
            run, _ = self._prepare(candidate)
            with run.arithmetic():
                seconds = time_step(run, run.noise())
        self._report(f"  {seconds:.3g} s a step of {candidate.batch} + {candidate.batch} images")
        return seconds

    def measure(self, candidate: Candidate, seconds: float) -> Pace:
        """Return the pace of everything in a run of some seconds, after training on the images for a part of them."""
        fewest, most = LONGER
        trained = min(most, max(fewest, SHARE * seconds))
        self._report(f"training with this setting for {trained:.0f} s, then measuring samples and scores ...")
        with memory_errors_explained():
            run, context = self._prepare(candidate)
            with run.arithmetic():
                try:
                    step = time_training(run, trained)
                    return measure_pace(run, context, step)
                except DataError as error:
                    self._report(f"  not measured, and so not part of the estimate: {error}")
                    return Pace(time_step(run, run.noise(), fewest))

    def _prepare(self, candidate: Candidate) -> tuple[Run, RunContext]:
        """Return a run after its first step, which is slower than the others."""
        text = write_spec(self._dataset, self._preset, candidate, relative_to=None)
        spec = resolve_spec(tomllib.loads(text), self._plugins)
        folder = RunFolder(Path())  # nothing is written
        context = RunContext(spec, assemble(spec, self._plugins), folder, self._plugins, self._device, Silence())
        run = Run(context)
        self.arithmetic = f"{run.trainer.precision.name} on {self._device}"
        with run.arithmetic():
            run.prepare_step()
            run.trainer.step(run.noise())
            run.trainer.settle()
        return run, context
