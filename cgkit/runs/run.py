"""A training run: the training loop, and the actions that are due after a step."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from statistics import fmean
from typing import Any

from torch import Tensor

from cgkit.checkpoints import Checkpoint, read_latest, write_checkpoint
from cgkit.contracts import Tracker
from cgkit.data.loading import Batch
from cgkit.data.training import TrainingData
from cgkit.display.reporter import Progress
from cgkit.engine.assembly import former_optimizers
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
from cgkit.runs.changes import Change, keep_changes
from cgkit.runs.context import RunContext
from cgkit.runs.health_monitor import HealthMonitor
from cgkit.runs.observers import Observers
from cgkit.runs.outcome import Outcome
from cgkit.runs.progress.status import Status
from cgkit.runs.progress.stopwatch import Stopwatch
from cgkit.runs.resume import misfits_explained, refuse_other_data, refuse_other_spec
from cgkit.runs.samples.images import Samples
from cgkit.runs.scores.validation import Validation
from cgkit.runs.signals import StopRequest
from cgkit.spec.merging import combine
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
            epoch=self._data.epochs_at(self.step),
            epochs=self._data.epochs_at(self.steps),
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
            checkpoint = self._open_folder()
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

    def _train_observed(self, observers: Observers, stop: StopRequest, checkpoint: Checkpoint | None) -> Outcome:
        error: BaseException | None = None
        try:
            if checkpoint is None:
                observers.begin(self)
            else:
                observers.resume(self, checkpoint.state)
            observers.notify("cgkit_run_started", run=self)
            self._status.trains(self.progress, self._saved_step)
            with self._save_on_error(observers), memory_errors_explained():
                if self._processes.is_first:
                    self._validation.complete_best()
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
        if self.step >= self.steps or self._validation.patience_is_over:
            return False
        alone = self._processes.count == 1
        with self.batches(lambda: stop.requested_for(0 if alone else STOP_PATIENCE)) as all_batches:
            for batches in all_batches:
                self._stopwatch.images_arrived()
                losses = self.trainer.step(batches, stop=stop.requested)
                # Several ranks have to agree on a stop, and they do so in the next step.
                stopping = stop.requested if alone else self.trainer.stop_agreed
                self._stopwatch.step_finished()
                self._unrecorded[self.step] = losses
                observers.step_finished(batches)
                observers.notify("cgkit_step_finished", run=self, step=self.step, losses=losses)
                ended = self._do_what_is_due(observers, stopping)
                self._stopwatch.pause()
                if ended or stopping:
                    return not ended
        self._stop_without_images(observers)
        return True

    def _stop_without_images(self, observers: Observers) -> None:
        """Save the state after the last step, because a stop was requested while the run waited for images."""
        if self._processes.count > 1:
            raise ResourceError(
                "a stop was requested, but one process waits for images, so the processes cannot save together",
                hint="run again to resume from the last checkpoint",
            )
        self.trainer.settle()
        if self.step > self._saved_step:
            self._save(observers)

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
        # Save after an improvement: the best model, written next, must not be newer than the checkpoint with its score.
        if "save" in due or last or improved or stopping:
            self._save(observers)
        if improved and self._processes.is_first:
            self._validation.write_best()
        return last

    def _open_folder(self) -> Checkpoint | None:
        """Restore the state of the run in the folder, if any; remember the spec and what has changed.

        Nothing is written unless the run may continue. A run without any state starts again, with any spec.
        """
        context, changes, starts_again = self._context, list[Change](), not self.folder.holds_state
        if not starts_again and (remembered := self.folder.remembered_spec()) is not None:
            place = self.folder.path, self.plugins, context.layers
            changes = refuse_other_spec(remembered, self.spec, *place, context.declared)
        checkpoint = read_latest(self.folder.checkpoints, report=context.reporter.warning)
        if checkpoint is not None:
            with misfits_explained(changes):
                changes += self._load(checkpoint, changed=bool(changes))
        self._processes.wait_for_all()  # so that the first rank writes nothing before all have compared the spec
        if self._processes.is_first:
            if starts_again:
                if self.folder.remembered_spec() is not None:
                    context.reporter.message(f"the run in {self.folder.path} saved no state yet; it starts again")
                self.folder.discard_records()
            for change in keep_changes(self.folder.path, changes, self.step):
                context.reporter.message(f"changed {change}")
            combined = combine(context.layers, self.plugins.registries)
            self.folder.remember_start(self.spec, context.layers, combined, context.launch)
            self.folder.remember_sources([source.to_json() for source in context.started])
            self._remember_environment()
        return checkpoint

    def _remember_environment(self) -> None:
        arithmetic = {
            "precision": self.trainer.precision.name,
            "deterministic": self.spec.train.deterministic or self._context.device.type == "cpu",
            "cuda_graph": self.trainer.is_recorded,
        }
        self.folder.remember_environment(self.plugins, self._context.device, self._context.providers, arithmetic)

    def _load(self, checkpoint: Checkpoint, *, changed: bool) -> list[Change]:
        """Restore the state of a checkpoint, for a spec that may have changed; return the changes of the images."""
        step, state, data = checkpoint.step, checkpoint.state, self._data
        counts = state.get("order", {}).get("images", {}), data.counts
        changes = refuse_other_data(state["data"], data.fingerprints, counts, self._context.declared)
        providers = made_with(state.get("providers"))
        if providers is not None:  # a declared change may need other packages, now or since the checkpoint
            added = self._context.providers if changed else {}
            providers = {**added, **(self.folder.made_with() or {}), **providers}
        refuse_other_plugins(providers, self.spec, self.plugins, self.folder.path)
        former = former_optimizers(state.get("spec", {}), self.spec, self.plugins)
        self.trainer.load(step, checkpoint.tensors, state["trainer"], former)
        data.resume(step, state.get("order"), changed=bool(changes))
        self.steps = self.trainer.steps = data.steps
        self._saved_step = step
        self._unrecorded = dict(enumerate(state["unrecorded"], start=step - len(state["unrecorded"]) + 1))
        self._validation.load(state.get("best"))
        self._context.reporter.message(f"resuming {self.folder.path} at step {step} of {self.steps}")
        return changes

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
            "directions": self.trainer.objective.directions,
            "best": self._validation.state(),
            **observers.state(),
            "unrecorded": [{name: float(loss) for name, loss in losses.items()} for losses in unrecorded],
            "data": self._data.fingerprints,
            "order": self._data.state(),
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

        Nothing is saved after an unexpected exception; the last checkpoint remains valid.
        """
        try:
            yield
        except CgkitError as error:
            # Saving needs all ranks. All ranks raise a DivergedError together, but only one may raise any other error.
            together = self._processes.count == 1 or isinstance(error, DivergedError)
            try:
                if together and self.trainer.is_whole and self.step > self._saved_step:
                    self._save(observers)
            except DivergedError:
                raise
            except Exception as failed:  # noqa: BLE001 - the first error is the cause
                text = f"the state after step {self.step} could not be saved: {describe_exception(failed)}"
                self._context.reporter.warning(text)
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
