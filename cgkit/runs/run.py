"""A training run: the training loop, and the actions that are due after a step."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from statistics import fmean
from typing import Any

from torch import Tensor

from cgkit.checkpoints import Checkpoint, read_latest, write_checkpoint
from cgkit.contracts import Tracker
from cgkit.data.loading import Batch
from cgkit.data.training import TrainingData
from cgkit.display.reporter import Progress
from cgkit.engine.compilation import compile_networks, record_step, repays
from cgkit.engine.component_checks import plugin_at_fault
from cgkit.engine.distributed import refuse_uneven_shares
from cgkit.engine.gpu.arithmetic import arithmetic
from cgkit.engine.memory import memory_errors_explained
from cgkit.engine.precision import choose_precision
from cgkit.engine.trainer import Trainer
from cgkit.errors import CgkitError, DivergedError, ResourceError
from cgkit.models.provenance import made_with, refuse_other_plugins
from cgkit.options import build
from cgkit.plugins import Plugins
from cgkit.registry import describe_exception
from cgkit.runs.context import RunContext
from cgkit.runs.health_monitor import HealthMonitor
from cgkit.runs.observers import Observers
from cgkit.runs.outcome import Outcome
from cgkit.runs.resume import refuse_other_data, refuse_other_spec
from cgkit.runs.samples.images import Samples
from cgkit.runs.scores.validation import Validation
from cgkit.runs.signals import StopRequest
from cgkit.runs.status import Status
from cgkit.runs.stopwatch import Stopwatch
from cgkit.spec.settings import build_settings


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
        self.steps = self._data.steps
        self.trainer = Trainer(
            assembly,
            spec,
            steps=self.steps,
            epoch_steps=self._data.epoch_steps,
            precision=choose_precision(spec.train.precision, context.device),
            processes=context.processes,
        )
        self._validation = Validation(context, self.trainer)
        self._samples = Samples(context, self.trainer)
        self._unrecorded: dict[int, Mapping[str, Tensor | float]] = {}
        """The losses since the last record, by step; part of every checkpoint."""
        self._saved_step = 0
        self._stopwatch = Stopwatch()
        self._losses: Mapping[str, float] = {}
        self._status = Status(context.folder, context.reporter, enabled=context.processes.is_first)

    @property
    def step(self) -> int:
        """The number of completed steps."""
        return self.trainer.step_number

    @property
    def progress(self) -> Progress:
        """The progress of the run."""
        speed, watch = self._stopwatch.steps_per_second, self._stopwatch
        return Progress(
            step=self.step,
            steps=self.steps,
            epoch=self.step / self._data.epoch_steps,
            epochs=self.steps / self._data.epoch_steps,
            steps_per_second=speed,
            images_per_second=speed * 2 * self.spec.train.batch * self.spec.train.accumulate,
            seconds_left=(self.steps - self.step) / speed if speed else None,
            waiting=watch.waiting,
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
        with locked, self.arithmetic(), StopRequest(self._answer_stop) as stop:
            self._open_folder()
            self._processes.wait_for_all()  # so that no rank resumes before all have checked the spec
            observers = self._observers()
            try:
                return self._train_observed(observers, stop)
            finally:
                observers.close()

    def batches(self) -> Iterator[list[Batch]]:
        """Yield the batches of this rank for each remaining step."""
        pin = self._context.device.type == "cuda"
        return self._data.batches(self.step, rank=self._processes.rank, count=self._processes.count, pin_memory=pin)

    def noise(self) -> list[Batch]:
        """Return the batches of a step, filled with noise, to try a step with."""
        train = self.spec.train
        return [self._data.noise(train.batch // self._processes.count)] * train.accumulate

    def arithmetic(self) -> AbstractContextManager[None]:
        """Return the context manager to train in, which sets how a GPU computes."""
        return arithmetic(self.trainer.precision, deterministic=self.spec.train.deterministic)

    def prepare_step(self) -> None:
        """Compile the networks and record the step as a CUDA graph, if the spec asks for it and it pays."""
        train, report, device = self.spec.train, self._context.reporter, self._context.device
        compiles = repays(train.compile, self.steps, device)
        records = train.cuda_graph and device.type == "cuda"
        if self.step >= self.steps or not (compiles or records):
            return
        batches = self.noise()
        if compiles:
            compile_networks(
                self.trainer,
                batches[:1],
                only_slow=train.compile == "auto",
                report=report.message,
                warn=report.warning,
            )
        if records:
            record_step(self.trainer, batches, warn=report.warning)

    def _train_observed(self, observers: Observers, stop: StopRequest) -> Outcome:
        error: BaseException | None = None
        try:
            self._resume(observers)
            observers.notify("cgkit_run_started", run=self)
            self._status.trains(self.progress, self._saved_step)
            with self._save_on_error(observers), memory_errors_explained():
                self.prepare_step()
                if self._processes.is_first and self.trainer.is_recorded:
                    self._remember_environment()  # again, because it says whether steps run as a CUDA graph
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
        for batches in self.batches() if not self._validation.patience_is_over else ():
            self._stopwatch.images_arrived()
            losses = self.trainer.step(batches, stop=stop.requested)
            # Several ranks have to agree on a stop, and they do so in the next step.
            stopping = self.trainer.stop_agreed if self._processes.count > 1 else stop.requested
            self._stopwatch.step_finished()
            self._unrecorded[self.step] = losses
            observers.step_finished(batches)
            observers.notify("cgkit_step_finished", run=self, step=self.step, losses=losses)
            ended = self._do_what_is_due(observers, stopping)
            self._stopwatch.pause()
            if ended or stopping:
                return not ended
        return False

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
            self.trainer.settle()  # on all ranks, because all must raise the error if the step diverged
        if "record" in due:
            self._record(observers)
        self._context.reporter.progress(self.progress)
        self._status.trains(self.progress, self._saved_step)
        improved = self._evaluate(observers) if "evaluate" in due else False
        last = last or self._validation.patience_is_over
        regular = "sample" in due or last
        if self._processes.is_first and (regular or self._samples.are_overdue(self.step)):
            self._draw_samples(observers, watched=regular)
        # Save after an improvement, because the best model must not be newer than the checkpoint with its score.
        if "save" in due or last or improved or stopping:
            self._save(observers)
        return last

    def _open_folder(self) -> None:
        remembered = self.folder.remembered_spec()
        if remembered is not None:
            refuse_other_spec(remembered, self.spec, self.folder.path, self.plugins, self._context.layers)
        if self._processes.is_first:
            self.folder.remember_spec(self.spec, self._context.layers)
            self._remember_environment()

    def _remember_environment(self) -> None:
        arithmetic = {
            "precision": self.trainer.precision.name,
            "deterministic": self.spec.train.deterministic or self._context.device.type == "cpu",
            "cuda_graph": self.trainer.is_recorded,
        }
        self.folder.remember_environment(self.plugins, self._context.device, self._context.providers, arithmetic)

    def _resume(self, observers: Observers) -> None:
        reporter = self._context.reporter
        checkpoint = read_latest(self.folder.checkpoints, report=reporter.warning)
        if checkpoint is None:
            observers.begin(self)
            return
        step, state = checkpoint.step, checkpoint.state
        refuse_other_data(state["data"], self._data.fingerprints)
        refuse_other_plugins(made_with(state.get("providers")), self.spec, self.plugins, self.folder.path)
        self.trainer.load(step, checkpoint.tensors, state["trainer"])
        self._saved_step = step
        self._unrecorded = dict(enumerate(state["unrecorded"], start=step - len(state["unrecorded"]) + 1))
        self._validation.load(state.get("best"))
        observers.resume(self, state)
        reporter.message(f"resuming {self.folder.path} at step {step} of {self.steps}")

    def _save(self, observers: Observers) -> None:
        tensors, step = self.trainer.tensors(), self.step
        trained = [*self.trainer.model.parameters(), *self.trainer.objective.heads.parameters()]
        if not self._processes.hold_the_same(trained):
            raise ResourceError(
                f"the weights of the {self._processes.count} processes differ after step {step}; nothing was saved",
                hint="a component uses random numbers that do not come from torch, or the hardware is faulty",
            )
        self._saved_step = step
        if not self._processes.is_first:
            return
        unrecorded = [losses for number, losses in self._unrecorded.items() if number <= step]
        state = {
            "trainer": self.trainer.state(),
            "best": self._validation.state(),
            **observers.state(),
            "unrecorded": [{name: float(loss) for name, loss in losses.items()} for losses in unrecorded],
            "data": self._data.fingerprints,
            "spec": self.spec.to_json(),
            "providers": dict(self._context.providers),
        }
        keep = self.spec.checkpoint.keep
        folder = write_checkpoint(self.folder.checkpoints, Checkpoint(step, tensors, state), keep=keep)
        observers.checkpoint_saved(self, step, folder)

    def _record(self, observers: Observers) -> None:
        """Record the mean losses since the last record."""
        steps = list(self._unrecorded.values())
        names = dict.fromkeys(name for step in steps for name in step)
        losses = {name: fmean(float(step[name]) for step in steps if name in step) for name in names}
        self._unrecorded.clear()
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

    @contextmanager
    def _save_on_error(self, observers: Observers) -> Iterator[None]:
        """If a `CgkitError` ends the run, save the state, provided that it is exactly that after the last step.

        Nothing is saved after a `ResourceError` or an unexpected exception; the last checkpoint remains valid.
        """
        try:
            yield
        except CgkitError as error:
            # Saving needs all ranks. All ranks raise a DivergedError together, but only one may raise any other error.
            together = self._processes.count == 1 or isinstance(error, DivergedError)
            whole = together and not isinstance(error, ResourceError) and self.trainer.is_whole
            try:
                if whole and self.step > self._saved_step:
                    self._save(observers)
            finally:
                state = "diverged" if isinstance(error, DivergedError) else "failed"
                self._end(state, exit_code=error.exit_code, error=str(error))
            raise
        except Exception as error:
            blamed = plugin_at_fault(error, self._context.assembly.components.values())
            if blamed is not None:
                self._end("failed", exit_code=blamed.exit_code, error=str(blamed))
                raise blamed from error
            self._end("failed", exit_code=1, error=describe_exception(error))
            raise
        except KeyboardInterrupt:
            self._end("interrupted", exit_code=130)
            raise

    def _end(self, state: str, exit_code: int = 0, **more: Any) -> None:
        self._status.ended(self.progress, state, self._saved_step, exit_code, **more)

    def _answer_stop(self) -> None:
        self._context.reporter.message("stopping after this step; Ctrl-C again stops at once, without saving")

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
