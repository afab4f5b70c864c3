"""A training run: the training loop, and the actions that are due after a step."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from statistics import fmean
from typing import Any

from cgkit.checkpoints import Checkpoint
from cgkit.contracts import Tracker
from cgkit.data.loading import Batch
from cgkit.data.training import TrainingData
from cgkit.display.reporter import Progress
from cgkit.engine.compilation import prepare_step
from cgkit.engine.distributed import refuse_uneven_shares
from cgkit.engine.gpu.arithmetic import arithmetic
from cgkit.engine.memory import memory_errors_explained
from cgkit.engine.precision import choose_precision
from cgkit.engine.trainer import Trainer
from cgkit.errors import ResourceError
from cgkit.options import build
from cgkit.plugins import Plugins
from cgkit.runs.context import RunContext
from cgkit.runs.failures import failures_recorded
from cgkit.runs.health_monitor import HealthMonitor
from cgkit.runs.observers import Observers
from cgkit.runs.outcome import Outcome
from cgkit.runs.progress.status import Status
from cgkit.runs.progress.stopwatch import Stopwatch
from cgkit.runs.samples.images import Samples
from cgkit.runs.saving import SavedState
from cgkit.runs.scores.validation import Validation
from cgkit.runs.signals import StopRequest
from cgkit.spec.settings import build_settings

STOP_PATIENCE = 15
"""Seconds after a request to stop that one of several processes still waits for images; torchrun kills after 30."""


class Run:
    """One training run in its folder. The run hooks receive it as a `cgkit.hookspecs.RunView`."""

    def __init__(self, context: RunContext) -> None:
        spec, assembly = context.spec, context.assembly
        refuse_uneven_shares(spec.train.batch, context.processes.count)
        self.spec = spec
        self.folder = context.folder
        self.plugins = context.plugins
        self._context = context
        self._processes = context.processes
        self._data = TrainingData(spec, assembly.source.train(), assembly.preparations)
        self._data.check_shared_memory(count=context.processes.count, on_gpu=context.device.type == "cuda")
        self.trainer = Trainer(
            assembly,
            spec,
            steps=self._data.steps,
            epoch_steps=self._data.epoch_steps,
            precision=choose_precision(spec.train.precision, context.device),
            processes=context.processes,
        )
        self._validation = Validation(context, self.trainer)
        self._samples = Samples(context, self.trainer)
        self._saved = SavedState(context, self._data, self.trainer, self._validation)
        self._stopwatch = Stopwatch()
        self._losses: Mapping[str, float] = {}
        self._status = Status(context.folder, context.reporter, enabled=context.processes.is_first)

    @property
    def step(self) -> int:
        """The number of completed steps."""
        return self.trainer.step_number

    @property
    def steps(self) -> int:
        """The number of steps of the whole run."""
        return self.trainer.steps

    @property
    def progress(self) -> Progress:
        """The progress of the run."""
        speed = self._stopwatch.steps_per_second
        return Progress(
            step=self.step,
            steps=self.steps,
            epoch=self._data.epochs_at(self.step),
            epochs=self._data.epochs_at(self.steps),
            steps_per_second=speed,
            images_per_second=speed * 2 * self.spec.train.batch * self.spec.train.accumulate,
            seconds_left=(self.steps - self.step) / speed if speed else None,
            waiting=self._stopwatch.waiting,
            losses=self._losses,
        )

    def settings(self, package: str) -> Any:
        """Return the settings of a package's hooks, as its `cgkit_settings` builds them."""
        return build_settings(self.spec, package, self.plugins)

    def train(self) -> Outcome:
        """Train from the start, or from the newest valid checkpoint, until training ends or a stop is requested.

        Raises:
            CgkitError: the run cannot continue (see the subclasses); if possible, the state is saved first.
        """
        locked = self.folder.locked() if self._processes.is_first else nullcontext()
        is_asked = self.folder.is_asked_to_stop if self._processes.is_first else lambda: False
        with locked, self.arithmetic(), StopRequest(self._answer_stop, is_asked) as stop:
            checkpoint = self._saved.open_folder()
            observers = self._observers()
            try:
                return self._train_observed(observers, stop, checkpoint)
            finally:
                observers.close()

    def batches(self, stopping: Callable[[], bool] = lambda: False) -> closing[Generator[list[Batch], None, None]]:
        """Return a context manager with the batches of this rank for each remaining step; its end ends the workers.

        Args:
            stopping: asked about once a second while there are no images; if it returns true, the batches end.
        """
        rank, count, pin = self._processes.rank, self._processes.count, self._context.device.type == "cuda"
        return closing(self._data.batches(self.step, rank=rank, count=count, pin_memory=pin, stopping=stopping))

    def noise(self) -> list[Batch]:
        """Return the batches of a step, filled with noise, to try a step with."""
        train = self.spec.train
        return [self._data.noise(train.batch // self._processes.count)] * train.accumulate

    def arithmetic(self) -> AbstractContextManager[None]:
        """Return the context manager to train in, which sets how a GPU computes."""
        return arithmetic(self.trainer.precision, deterministic=self.spec.train.deterministic)

    def prepare_step(self) -> None:
        """Compile the networks and record the step as a CUDA graph, if the spec asks for it and it pays."""
        if self.step < self.steps:
            report = self._context.reporter
            prepare_step(self.trainer, self.spec.train, self.noise, report=report.message, warn=report.warning)

    def _train_observed(self, observers: Observers, stop: StopRequest, checkpoint: Checkpoint | None) -> Outcome:
        error: BaseException | None = None
        try:
            if checkpoint is None:
                observers.begin(self)
            else:
                with self._saved.state_explained(checkpoint.step):
                    observers.restore(checkpoint.state)
                observers.resume(self)
            observers.notify("cgkit_run_started", run=self)
            self._status.trains(self.progress, self._saved.step)
            failures = failures_recorded(self._context, save=lambda: self._save_if_whole(observers), end=self._end)
            with failures, memory_errors_explained():
                if self._processes.is_first:
                    self._validation.check()
                    self._validation.complete_best()
                self.prepare_step()
                if self._processes.is_first and self.trainer.is_recorded:
                    self._saved.remember_environment()  # again, because it says whether steps run as a CUDA graph
                stopped = self._loop(observers, stop)
                return self._end_stopped() if stopped else self._end_finished()
        except BaseException as raised:
            error = raised
            raise
        finally:
            observers.finish(self, error)

    def _loop(self, observers: Observers, stop: StopRequest) -> bool:
        """Train until training ends or a stop is requested; return whether the run was stopped before its end."""
        self._stopwatch.pause()
        self._context.reporter.progress(self.progress)
        if self.step >= self.steps or self._validation.patience_is_over:
            return False
        if self._is_far_enough:
            return True
        alone = self._processes.count == 1
        with self.batches(lambda: stop.requested_for(0 if alone else STOP_PATIENCE)) as all_batches:
            for batches in all_batches:
                self._stopwatch.images_arrived()
                losses = self.trainer.step(batches, stop=stop.requested)
                # Several ranks have to agree on a stop, and they do so in the next step.
                stopping = (stop.requested if alone else self.trainer.stop_agreed) or self._is_far_enough
                self._stopwatch.step_finished()
                self._saved.unrecorded[self.step] = losses
                observers.step_finished(batches)
                observers.notify("cgkit_step_finished", run=self, step=self.step, losses=losses)
                ended = self._do_what_is_due(observers, stopping)
                self._stopwatch.pause()
                if ended or stopping:
                    return not ended
        self._stop_without_images(observers)
        return True

    @property
    def _is_far_enough(self) -> bool:
        return self._context.until is not None and self.step >= self._context.until

    def _stop_without_images(self, observers: Observers) -> None:
        """Save the state after the last step, because a stop was requested while the run waited for images."""
        if self._processes.count > 1:
            raise ResourceError(
                "a stop was requested, but one process waits for images, so the processes cannot save together",
                hint="run again to resume from the last checkpoint",
            )
        self.trainer.settle()
        self._save_if_whole(observers)

    def _do_what_is_due(self, observers: Observers, stopping: bool) -> bool:
        """Do what is due after this step: record, evaluate, draw samples, save. Return whether training ends."""
        spec, last = self.spec, self.step == self.steps
        intervals = {
            "record": spec.log.every,
            "evaluate": spec.evaluation.every,
            "sample": spec.samples.every,
            "save": spec.checkpoint.every,
        }
        due = {name for name, every in intervals.items() if last or (every and self.step % every == 0)}
        if due or stopping:
            self.folder.refuse_if_moved()
            self.trainer.settle()  # on all ranks, because all must raise the error if the step diverged
        if "record" in due:
            self._record(observers)
        progress = self.progress
        self._context.reporter.progress(progress)
        self._status.trains(progress, self._saved.step)
        improved = self._evaluate(observers) if "evaluate" in due else False
        last = last or self._validation.patience_is_over
        regular = "sample" in due or last
        if self._processes.is_first and (regular or self._samples.are_overdue(self.step)):
            self._draw_samples(observers, watched=regular)
        # Save after an improvement: the best model, written next, must not be newer than the checkpoint with its score.
        if "save" in due or last or improved or stopping:
            self._save(observers)
        if improved and self._processes.is_first:
            self._validation.write_best()
        return last

    def _save(self, observers: Observers) -> None:
        folder = self._saved.save(observers.state())
        if folder is not None:
            observers.checkpoint_saved(self, self.step, folder)

    def _save_if_whole(self, observers: Observers) -> None:
        """Save the state, if it is exactly that after the last step, and saving it was not tried yet."""
        if self.trainer.is_whole and self.step > self._saved.tried and self.folder.is_in_place:
            self._save(observers)

    def _record(self, observers: Observers) -> None:
        """Record the mean losses since the last record."""
        steps = list(self._saved.unrecorded.values())
        names = dict.fromkeys(name for step in steps for name in step)
        losses = {name: fmean(float(step[name]) for step in steps if name in step) for name in names}
        self._saved.unrecorded.clear()
        self._losses, progress = losses, self.progress
        rate = self.trainer.optimizers.generators.param_groups[0]["lr"]
        speed = {"images_per_second": progress.images_per_second, "waiting": progress.waiting}
        observers.record(self.step, {**losses, "learning_rate": rate, **speed, **self._moment()})

    def _moment(self) -> dict[str, float]:
        """Return the epoch, and the time in seconds since 1970, which every record has besides its values."""
        return {"epoch": self.progress.epoch, "time": time.time()}

    def _evaluate(self, observers: Observers) -> bool:
        scores, improved = self._validation.evaluate()
        if scores:
            observers.record(self.step, {**scores, **self._moment()})
        return improved

    def _draw_samples(self, observers: Observers, *, watched: bool) -> None:
        """Write a sheet. If it is due at this time and not at this step, it is not `watched`, so that results do not
        depend on the time.
        """
        images = self._samples.draw()
        if watched:
            observers.samples_drawn(images)
        try:
            file = self.folder.write_sample(self.step, self._samples.sheet(images))
            if removed := self.folder.thin_samples(self.spec.samples.keep):
                self._context.reporter.message(f"{removed} older sample sheets were removed: samples.keep")
        except OSError as error:
            self._context.reporter.warning(f"the samples of step {self.step} cannot be written: {error}")
        else:
            self._context.reporter.sheet(self.step, file)
            observers.samples_written(self, self.step, file)

    def _end_finished(self) -> Outcome:
        if not self._processes.is_first:
            return Outcome("finished", self.folder.path, self.step)
        scores = self._validation.finish(self.steps)
        self._end("finished", scores=[number.to_json() for number in scores])
        return Outcome("finished", self.folder.path, self.step, scores)

    def _end_stopped(self) -> Outcome:
        self._end("stopped", exit_code=75)
        return Outcome("stopped", self.folder.path, self.step)

    def _end(self, state: str, exit_code: int = 0, error: str = "", **more: Any) -> None:
        reason = {"error": error} if error else {}
        self._status.ended(self.progress, state, self._saved.step, exit_code, **reason, **more)

    def _answer_stop(self) -> None:
        self._context.reporter.message("stopping after this step or score; Ctrl-C again stops at once, without saving")

    def _observers(self) -> Observers:
        warn, patience = self._context.reporter.warning, self.spec.log.patience
        if not self._processes.is_first:
            return Observers(Plugins(), {}, (), warn, patience=patience)
        health = HealthMonitor(self._context, self.trainer)
        return Observers(self.plugins, self._trackers(), (health,), warn, patience=patience)

    def _trackers(self) -> dict[str, Tracker]:
        registry = self.plugins.registries.trackers
        return {
            str(use.name): build(registry[str(use.name)], self.folder.path, options=use.options)
            for use in self.spec.tracker or ()
        }
