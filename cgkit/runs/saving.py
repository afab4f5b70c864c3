"""The state of a run: save it in checkpoints, and restore it from the newest one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from torch import Tensor

from cgkit.checkpoints import Checkpoint, read_latest, write_checkpoint
from cgkit.data.training import TrainingData
from cgkit.engine.assembly import former_optimizers
from cgkit.engine.pools_of_ranks import count_ranks
from cgkit.engine.trainer import Trainer
from cgkit.errors import CheckpointError, ResourceError
from cgkit.models.provenance import made_with, refuse_other_plugins
from cgkit.runs.context import RunContext
from cgkit.runs.continuing.changes import Change, keep_changes
from cgkit.runs.continuing.resume import (
    misfits_explained,
    odd_state_explained,
    refuse_other_data,
    refuse_other_spec,
)
from cgkit.runs.continuing.trained_spec import trained_spec
from cgkit.runs.folder import environment
from cgkit.runs.scores.validation import Validation
from cgkit.spec.merging import combine


class SavedState:
    """What of a run is saved besides what its observers know.

    Attributes:
        step: the step of the newest checkpoint.
        tried: the step at which saving was last tried.
        unrecorded: the losses since the last record, by step.
    """

    def __init__(self, context: RunContext, data: TrainingData, trainer: Trainer, validation: Validation) -> None:
        self.step = self.tried = 0
        self.unrecorded: dict[int, Mapping[str, Tensor | float]] = {}
        self._context = context
        self._data = data
        self._trainer = trainer
        self._validation = validation

    def open_folder(self) -> Checkpoint | None:
        """Restore the state of the run in the folder, if any; remember the spec and what has changed.

        Nothing is written unless the run may continue. A run without any state starts again, with any spec.
        """
        context, folder, changes = self._context, self._context.folder, list[Change]()
        starts_again = not folder.holds_state
        if not starts_again and (remembered := trained_spec(folder, context.plugins)) is not None:
            place = folder.path, context.plugins, context.layers
            changes = refuse_other_spec(remembered, context.spec, *place, context.declared)
        checkpoint = read_latest(folder.checkpoints, report=context.reporter.warning)
        if checkpoint is not None:
            with misfits_explained(changes), self.state_explained(checkpoint.step):
                changes += self._load(checkpoint, changed=bool(changes))
        context.processes.wait_for_all()  # so that the first rank writes nothing before all have compared the spec
        if context.processes.is_first:
            if checkpoint is not None:
                self._report_versions(checkpoint.step)
            if starts_again:
                if folder.remembered_spec() is not None:
                    context.reporter.message(f"the run in {folder.path} saved no state yet; it starts again")
                folder.discard_records()
            self._remember(changes)
        return checkpoint

    def state_explained(self, step: int) -> AbstractContextManager[None]:
        """Return a context manager in which the state of a checkpoint is restored, so that odd values are explained."""
        context = self._context
        return odd_state_explained(context.folder.path, step, context.assembly.components.values())

    def remember_environment(self) -> None:
        """Write the versions of everything, and how the run computes, to the folder."""
        context, trainer = self._context, self._trainer
        arithmetic = {
            "precision": trainer.precision.name,
            "deterministic": context.spec.train.deterministic or context.device.type == "cpu",
            "cuda_graph": trainer.is_recorded,
        }
        context.folder.remember_environment(context.plugins, context.device, context.providers, arithmetic)

    def save(self, observers: Mapping[str, Any]) -> Path | None:
        """Write a checkpoint; return its folder, or None if another rank writes it.

        Args:
            observers: the state of the observers.

        Raises:
            ResourceError: the weights differ between the ranks, or the checkpoint cannot be written.
        """
        context, trainer = self._context, self._trainer
        tensors, step = trainer.tensors(), trainer.step_number
        trained = [*trainer.model.parameters(), *trainer.objective.heads.parameters()]
        if not context.processes.hold_the_same(trained):
            raise ResourceError(
                f"the weights of the {context.processes.count} processes differ after step {step}; nothing was saved",
                hint="a component uses random numbers that do not come from torch, or the hardware is faulty",
            )
        self.tried = step
        if not context.processes.is_first:
            return None
        unrecorded = [losses for number, losses in self.unrecorded.items() if number <= step]
        state = {
            "trainer": trainer.state(),
            "directions": trainer.objective.directions,
            "best": self._validation.state(),
            **observers,
            "unrecorded": [{name: float(loss) for name, loss in losses.items()} for losses in unrecorded],
            "data": self._data.fingerprints,
            "order": self._data.state(),
            "spec": context.spec.to_json(),
            "providers": dict(context.providers),
        }
        checkpoint = Checkpoint(step, tensors, state)
        folder = write_checkpoint(context.folder.checkpoints, checkpoint, keep=context.spec.checkpoint.keep)
        self.step = step
        return folder

    def _report_versions(self, step: int) -> None:
        """Say which packages have other versions than before the checkpoint, which the folder then forgets."""
        folder, report = self._context.folder, self._context.reporter.warning
        try:
            before = folder.environment().get("packages")
        except CheckpointError as error:
            report(f"{error.message}; it is written again, and which versions trained before is lost")
            return
        now = environment(self._context.plugins, self._context.device)["packages"]
        pairs = before.items() if isinstance(before, dict) else ()
        changed = [
            f"{name} {version} (now {now[name]})" for name, version in pairs if now.get(name, version) != version
        ]
        if changed:
            made = f"up to step {step}, the run was trained with {', '.join(changed)}"
            report(f"{made}, so it may continue differently in the last bits")

    def _remember(self, changes: list[Change]) -> None:
        context = self._context
        for change in keep_changes(context.folder.path, changes, self._trainer.step_number):
            context.reporter.message(f"changed {change}")
        combined = combine(context.layers, context.plugins.registries)
        context.folder.remember_start(context.spec, context.layers, combined, context.launch)
        context.folder.remember_sources([source.to_json() for source in context.started])
        self.remember_environment()

    def _load(self, checkpoint: Checkpoint, *, changed: bool) -> list[Change]:
        """Restore the state of a checkpoint, for a spec that may have changed; return the changes of the images."""
        context, data, trainer = self._context, self._data, self._trainer
        step, state, folder = checkpoint.step, checkpoint.state, context.folder
        counts = state.get("order", {}).get("images", {}), data.counts
        changes = refuse_other_data(state["data"], data.fingerprints, counts, context.declared)
        providers = made_with(state.get("providers"))
        if providers is not None:  # a declared change may need other packages, now or since the checkpoint
            added = context.providers if changed else {}
            providers = {**added, **(folder.made_with() or {}), **providers}
        refuse_other_plugins(providers, context.spec, context.plugins, folder.path)
        former = former_optimizers(state.get("spec", {}), context.spec, context.plugins)
        trainer.load(step, checkpoint.tensors, state["trainer"], former)
        self._mention_other_processes(checkpoint)
        data.resume(step, state.get("order"), changed=bool(changes))
        trainer.steps = data.steps
        self.step = self.tried = step
        self.unrecorded = dict(enumerate(state["unrecorded"], start=step - len(state["unrecorded"]) + 1))
        self._validation.load(state.get("best"))
        if step >= data.steps:
            text = f"{folder.path} is at step {step} of {data.steps}: there is nothing to train"
            context.reporter.message(f"{text}; raise train.steps to continue")
        else:
            context.reporter.message(f"resuming {folder.path} at step {step} of {data.steps}")
        return changes

    def _mention_other_processes(self, checkpoint: Checkpoint) -> None:
        earlier, now = count_ranks(checkpoint.tensors.get("pool", {})), self._context.processes.count
        if earlier not in (0, now):
            text = f"the number of processes was {earlier} and is now {now}: they share out the image pools"
            self._context.reporter.message(f"{text}, so results are not those of {earlier}")
