"""A run: the folder, the order of data, the loop, and when to sample, save and score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

import torch
from torch import Tensor

from cgkit.checkpoints import Checkpoint, read_latest, write_checkpoint
from cgkit.contracts import Tracker
from cgkit.data.loading import Batch, UnpairedImages, training_batches
from cgkit.data.sampling import StepBatches
from cgkit.engine.assembly import Assembly
from cgkit.runs.validation import Assessment
from cgkit.engine.component_checks import plugin_at_fault
from cgkit.engine.compilation import compile_networks, repays
from cgkit.runs.resume import refuse_other_data, refuse_other_spec
from cgkit.models.provenance import refuse_other_plugins
from cgkit.engine.memory import memory_errors_explained
from cgkit.runs.observers import Observers
from cgkit.data.pixel_formats import pixel_formats
from cgkit.engine.precision import choose_precision
from cgkit.engine.distributed import ALONE, Processes, refuse_uneven_shares
from cgkit.runs.reporter import Reporter, Stopwatch
from cgkit.runs.folder import RunFolder
from cgkit.models.provenance import made_with
from cgkit.runs.signals import StopRequest
from cgkit.engine.trainer import Trainer
from cgkit.errors import CgkitError, DivergedError, ResourceError
from cgkit.evaluation.numbers import Number
from cgkit.options import build
from cgkit.plugins import Plugins
from cgkit.registry import describe_exception
from cgkit.spec import Spec
from cgkit.spec.providers import providers_used
from cgkit.spec.reading import Layer


@dataclass(frozen=True)
class Outcome:
    """How a run ended: `finished`, or `stopped` and saved, to be continued by running it again."""

    state: Literal["finished", "stopped"]
    folder: Path
    step: int
    scores: tuple[Number, ...] = ()


class Run:
    """One training run in its folder. What the plugins' run hooks receive."""

    def __init__(
        self,
        spec: Spec,
        assembly: Assembly,
        folder: RunFolder,
        plugins: Plugins,
        device: torch.device,
        reporter: Reporter,
        processes: Processes = ALONE,
    ) -> None:
        refuse_uneven_shares(spec.train.batch, processes.count)
        self.spec = spec
        self.processes = processes
        self.folder = folder
        self._assembly = assembly
        self.plugins = plugins
        self._providers = providers_used(spec, plugins)
        self._device = device
        self._reporter = reporter
        self._domains = assembly.source.train()
        # Taken once, before anything can happen to the files.
        self._fingerprints = {side: domain.fingerprint() for side, domain in zip("ab", self._domains, strict=True)}
        batch = spec.train.batch * spec.train.accumulate
        epoch_steps = -(-max(map(len, self._domains)) // batch)
        self.steps = spec.train.steps or (spec.train.epochs or 200) * epoch_steps
        self.trainer = Trainer(
            assembly.model,
            assembly.objective,
            assembly.schedule,
            spec.train,
            steps=self.steps,
            epoch_steps=epoch_steps,
            seed=spec.seed,
            precision=choose_precision(spec.train.precision, device),
            processes=processes,
        )
        self._unrecorded: dict[int, Mapping[str, Tensor | float]] = {}
        self._saved_step = 0
        self._stopwatch = Stopwatch()
        trainer, providers = self.trainer, self._providers
        self._assessment = Assessment(spec, assembly, trainer, folder, providers, processes, reporter)

    @property
    def step(self) -> int:
        """The number of steps done."""
        return self.trainer.step_number

    def train(self, layers: Sequence[Layer] = (), source: Path | None = None) -> Outcome:
        """Begin, or continue where the folder's newest good checkpoint is, until the end or a request to stop.

        Args:
            layers: where the spec's values stand, for the message where they do not fit the folder.
            source: the file that the user wrote, kept in the folder.

        Raises:
            CgkitError: see its subclasses; what was reached is saved where it can be.
        """
        with self.folder.locked() if self.processes.is_first else nullcontext(), StopRequest() as stop:
            self._open(layers, source)
            self.processes.wait_for_all()  # what a folder holds is read when it is sure that it may be continued
            observers = self._observers()
            try:
                return self._observed(observers, stop)
            finally:
                observers.close()

    def _observed(self, observers: Observers, stop: StopRequest) -> Outcome:
        error: BaseException | None = None
        try:
            self._resume(observers)
            observers.notify("cgkit_run_started", run=self)
            self._status("running")
            with self._saved_on_error(observers), memory_errors_explained():
                self._compile()
                stopped = self._loop(observers, stop)
                outcome = self._stop() if stopped else self._finish()
        except BaseException as raised:
            error = raised
            raise
        finally:
            observers.notify("cgkit_run_finished", run=self, error=error)
        return outcome

    def _loop(self, observers: Observers, stop: StopRequest) -> bool:
        """Train until the end, or until a stop is requested; return whether it was."""
        trainer, settings = self.trainer, self.spec
        self._stopwatch.pause()
        for batches in self.batches() if not self._assessment.exhausted else ():
            self._stopwatch.images_arrived()
            losses = trainer.step(batches, stop=stop.requested)
            # One process may be asked what the others are not; alone, one need not wait for the next step.
            stopping = trainer.stop_agreed if self.processes.count > 1 else stop.requested
            self._stopwatch.step_finished()
            self._assessment.pass_by(batches)
            step = trainer.step_number
            self._unrecorded[step] = losses
            observers.notify("cgkit_step_finished", run=self, step=step, losses=losses)
            last = step == trainer.steps
            if last or stopping or self._looked_at(step):
                trainer.settle()  # in all processes, whatever each does next
            if step % settings.log.every == 0 or last:
                self._record(observers)
            evaluating = last or (settings.evaluation.every and step % settings.evaluation.every == 0)
            improved = self._assessment.evaluate(observers) if evaluating else False
            last = last or self._assessment.exhausted
            if self.processes.is_first and (step % settings.samples.every == 0 or last):
                self._assessment.draw_sample()
            # The best model is never newer than the newest checkpoint, which knows what it scored; and what was seen
            # of the training's health.
            if stopping or step % settings.checkpoint.every == 0 or last or improved:
                self._save(observers)
            self._stopwatch.pause()
            if last:
                break
            if stopping:
                return True
        return False

    def _compile(self) -> None:
        spec = self.spec
        if self.trainer.step_number < self.steps and repays(spec.train.compile, self.steps, self._device):
            images = spec.train.batch // self.processes.count
            noise_a, noise_b = (torch.rand(images, n, *spec.data.size) * 2 - 1 for n in spec.data.channels)
            names = ("noise",) * images
            compile_networks(
                self.trainer,
                [Batch(noise_a, noise_b, names, names)],
                report=self._reporter.message,
                warn=self._reporter.warning,
            )

    def _looked_at(self, step: int) -> bool:
        """Return whether something is made of what was reached after a step."""
        spec = self.spec
        intervals = (spec.log.every, spec.samples.every, spec.evaluation.every, spec.checkpoint.every)
        return any(interval and step % interval == 0 for interval in intervals)

    def batches(self) -> Iterator[list[Batch]]:
        """Yield the batches of each step that is still to do."""
        spec = self.spec
        images = UnpairedImages(self._domains, pixel_formats(spec.data), self._assembly.preparation, spec.seed)
        accumulate = spec.train.accumulate
        share = {"rank": self.processes.rank, "count": self.processes.count}
        order = StepBatches(self.trainer.step_number, self.steps, spec.train.batch, accumulate, **share)
        loaded = training_batches(images, order, workers=self._workers(), pin_memory=self._device.type == "cuda")
        while batches := list(islice(loaded, accumulate)):
            yield batches

    def _workers(self) -> int:
        if self.spec.data.workers != "auto":
            return int(self.spec.data.workers)
        return 0 if self._domains[0][0].render is not None else 2

    def _open(self, layers: Sequence[Layer], source: Path | None) -> None:
        remembered = self.folder.remembered_spec()
        if remembered is not None:
            refuse_other_spec(remembered, self.spec, self.folder.path, layers)
        if not self.processes.is_first:
            return
        self.folder.remember_spec(self.spec, source)
        self.folder.remember_environment(self.plugins, self._device, self._providers)

    def _resume(self, observers: Observers) -> None:
        checkpoint = read_latest(self.folder.checkpoints, report=self._reporter.warning)
        if checkpoint is None:
            self._assessment.begin()
            observers.rewind(0)
            return
        refuse_other_data(checkpoint.state["data"], self._fingerprints)
        providers = made_with(checkpoint.state.get("providers"))
        refuse_other_plugins(providers, self.spec, self.plugins, self.folder.path)
        self.trainer.load(checkpoint.step, checkpoint.tensors, checkpoint.state["trainer"])
        self._saved_step = checkpoint.step
        unrecorded = checkpoint.state["unrecorded"]
        self._unrecorded = dict(enumerate(unrecorded, start=checkpoint.step - len(unrecorded) + 1))
        self._assessment.load(checkpoint.state)
        self._assessment.rewind(checkpoint.step)
        observers.rewind(checkpoint.step)
        self._reporter.message(f"continuing {self.folder.path} at step {checkpoint.step} of {self.steps}")

    def _save(self, observers: Observers) -> None:
        tensors = self.trainer.tensors()
        step = self.trainer.step_number
        if not self.processes.hold_the_same(self.trainer.model.parameters()):
            raise ResourceError(
                f"the weights of the {self.processes.count} processes differ after step {step}; nothing was saved",
                hint="a component draws from elsewhere than torch, or the hardware errs",
            )
        if not self.processes.is_first:
            self._saved_step = step
            return
        state = {
            "trainer": self.trainer.state(),
            **self._assessment.state(),
            "unrecorded": [
                {name: float(loss) for name, loss in losses.items()}
                for done, losses in self._unrecorded.items()
                if done <= step  # a step that was not applied has left its losses
            ],
            "data": self._fingerprints,
            "spec": self.spec.to_json(),
            "providers": self._providers,
        }
        checkpoint = Checkpoint(step, tensors, state)
        folder = write_checkpoint(self.folder.checkpoints, checkpoint, keep=self.spec.checkpoint.keep)
        self._saved_step = step
        observers.notify("cgkit_checkpoint_saved", run=self, step=step, folder=folder)

    def _record(self, observers: Observers) -> None:
        """Give the trackers the mean losses since the last record, and show how the run stands."""
        *_, newest = self._unrecorded.values()
        losses = {name: fmean(float(one[name]) for one in self._unrecorded.values()) for name in newest}
        self._unrecorded.clear()
        trainer = self.trainer
        images = 2 * self.spec.train.batch * self.spec.train.accumulate
        progress = self._stopwatch.progress(trainer.step_number, self.steps, images, losses)
        rate = trainer.optimizers.generators.param_groups[0]["lr"]
        speed = {"images_per_second": progress.images_per_second, "waiting": progress.waiting}
        observers.record(trainer.step_number, {**losses, "learning_rate": rate, **speed})
        self._reporter.progress(progress)

    def _finish(self) -> Outcome:
        step = self.trainer.step_number
        if not self.processes.is_first:
            return Outcome("finished", self.folder.path, step)
        scores = self._assessment.finish(self.steps)
        self._status("finished", scores=[one.to_json() for one in scores])
        return Outcome("finished", self.folder.path, step, scores)

    def _stop(self) -> Outcome:
        self._status("stopped", exit_code=75)
        return Outcome("stopped", self.folder.path, self.trainer.step_number)

    @contextmanager
    def _saved_on_error(self, observers: Observers) -> Iterator[None]:
        """Save what was reached when something goes wrong between two steps: the trainer is whole there."""
        try:
            yield
        except CgkitError as error:
            # With several processes, saving is for all of them: they all diverge, but other errors are of one.
            of_all = self.processes.count == 1 or isinstance(error, DivergedError)
            if of_all and not isinstance(error, ResourceError) and self.trainer.step_number > self._saved_step:
                self._save(observers)
            state = "diverged" if isinstance(error, DivergedError) else "failed"
            self._status(state, exit_code=error.exit_code, error=str(error))
            raise
        except Exception as error:
            blamed = plugin_at_fault(error, self._assembly.components.values())
            if blamed is not None:
                self._status("failed", exit_code=blamed.exit_code, error=str(blamed))
                raise blamed from error
            self._status("failed", exit_code=1, error=describe_exception(error))
            raise

    def _status(self, state: str, exit_code: int = 0, **more: Any) -> None:
        if not self.processes.is_first:
            return
        try:
            self.folder.write_status(
                state=state, exit_code=exit_code, step=self.trainer.step_number, steps=self.steps, **more
            )
        except OSError as error:
            self._reporter.warning(f"status.json cannot be written: {error}")

    def _observers(self) -> Observers:
        warn, patience = self._reporter.warning, self.spec.log.patience
        if not self.processes.is_first:
            return Observers(Plugins(), {}, warn, patience=patience)
        return Observers(self.plugins, self._trackers(), warn, patience=patience)

    def _trackers(self) -> dict[str, Tracker]:
        registry = self.plugins.registries.trackers
        return {
            str(use.name): build(registry[str(use.name)], self.folder.path, options=use.options)
            for use in self.spec.tracker or ()
        }
