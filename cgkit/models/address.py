"""Addresses of trained models: RUN, RUN@STEP, RUN@best, RUN@last, a model folder, hf:USER/NAME, or a URL.

Reading what an address names needs no lock, so it works while the run trains.
"""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

from cgkit.checkpoints import Checkpoint, finished_name, list_checkpoints, read_checkpoint, read_latest, step_of
from cgkit.errors import CgkitWarning, CheckpointError, UsageError
from cgkit.models.folder import no_run_folder, written_step
from cgkit.models.remote.fetching import fetch
from cgkit.spec.start import is_remote

MODEL = "model"
"""The folder of a run's final model."""
BEST = "best"
"""The folder of a run's best model so far."""
RESOLVED = "spec.resolved.json"
"""The resolved spec of a run, by which a run folder is recognised."""


@dataclass(frozen=True)
class Address:
    """A run or model folder, and optionally which of the run's checkpoints is meant.

    Attributes:
        folder: the folder of a run, or of a model.
        place: the step of a checkpoint, `best` for the best model, or `last` for the newest checkpoint; None for the
            final model or, if the run has not ended, its newest checkpoint.
    """

    folder: Path
    place: int | str | None = None

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> Address:
        """Return the address that a text denotes; a path that exists is never split at its `@`.

        A model on a server is downloaded, unless it is in the cache; the address is then that of the folder there.

        Raises:
            CheckpointError: the text after the `@` is neither a step nor `best` nor `last`.
            CgkitError: the model cannot be downloaded; see `cgkit.models.remote.fetching.fetch`.
        """
        if is_remote(os.fspath(text)):
            return cls(fetch(os.fspath(text)))
        path = Path(text)
        name, at, place = path.name.rpartition("@")
        folder = path.with_name(name) if name else path
        if not at or not name or os.path.lexists(path) or not folder.is_dir():
            return cls(path)
        if place in ("best", "last"):
            return cls(folder, place)
        if re.fullmatch(r"[0-9]{1,15}", place):
            return cls(folder, int(place))
        raise cls(folder)._unknown(place)

    @classmethod
    def of_run(cls, text: str | os.PathLike[str]) -> Address:
        """Return what `parse` does, but refuse a model on a server, which lacks the record and the images of a run.

        Raises:
            UsageError: the text denotes a model on a server.
            CheckpointError: see `parse`.
        """
        if is_remote(os.fspath(text)):
            hint = "pass the run's folder"
            raise UsageError(
                f"{text} is a model, but this needs its run, with the record and the test images", hint=hint
            )
        return cls.parse(text)

    def __str__(self) -> str:
        return f"{self.folder}" if self.place is None else f"{self.folder}@{self.place}"

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps of the run's checkpoints, in order."""
        return tuple(map(step_of, list_checkpoints(self.folder / "checkpoints")))

    def kept(self) -> Path | None:
        """Return the folder of the checkpoint or of the best model that the address names.

        A run without a place stands for its newest checkpoint; None if it has none.

        Raises:
            CheckpointError: there is no such checkpoint, or no best model.
        """
        if self.place == "best":
            return self._best()
        paths = list_checkpoints(self.folder / "checkpoints")
        newest = self.place in (None, "last")
        chosen = paths[-1:] if newest else [path for path in paths if step_of(path) == self.place]
        if self.place is not None and not chosen:
            raise self._unknown(self.place)
        return chosen[0] if chosen else None

    def step(self) -> int | None:
        """Return the step that the address names; None if it names no particular one. For the errors, see `kept`."""
        if self.place is None or (path := self.kept()) is None:
            return None
        return written_step(path) if self.place == "best" else step_of(path)

    def model(self) -> Path | None:
        """Return the model folder that the address names; None if it names a checkpoint.

        Raises:
            CheckpointError: the folder is missing or is neither that of a run nor that of a model.
        """
        if not self.folder.is_dir():
            raise no_run_folder(self.folder)
        if self.place is not None:
            return self._best() if self.place == "best" else None
        model = self.folder / MODEL
        if not model.is_dir():
            return None if (self.folder / RESOLVED).exists() else self.folder
        # A finished run that was made longer has a model that is older than its checkpoints.
        written, steps = written_step(model), self.steps
        return None if steps and written is not None and written < steps[-1] else model

    def checkpoint(self) -> Checkpoint:
        """Read the checkpoint that the address names; warn if it is that of a run that has not ended.

        Raises:
            CheckpointError: there is no such checkpoint, it is damaged, or the run removed it during reading.
        """
        if isinstance(self.place, int):
            return self._read_step(self.place)
        checkpoint = read_latest(self.folder / "checkpoints", report=_warn)
        if checkpoint is None:
            raise CheckpointError(f"{self.folder} has no checkpoint yet", hint="checkpoint.every says when it is saved")
        if self.place is None:
            _warn(f"{self.folder} has not ended, so its newest checkpoint is used, that of step {checkpoint.step}")
        return checkpoint

    def scores_folder(self, step: int) -> Path:
        """Return the folder for the `evaluation.json` of the model that the address names, which is that of a step."""
        if self.place is None:
            return self.folder
        return self.folder / BEST if self.place == "best" else self.folder / "evaluations" / finished_name(step)

    def _read_step(self, step: int) -> Checkpoint:
        path = self.kept()
        try:
            if path is not None:
                return read_checkpoint(path)
        except CheckpointError:
            if path is not None and path.exists():
                raise
        raise self._unknown(step)

    def _best(self) -> Path:
        if not (self.folder / BEST).is_dir():
            hint = "set evaluation.best to keep one"
            raise CheckpointError(f"{self.folder} has no best model", hint=hint)
        return self.folder / BEST

    def _unknown(self, place: int | str) -> CheckpointError:
        steps = self.steps
        what = f"checkpoint of step {place}" if isinstance(place, int) else f"checkpoint {place!r}"
        kept = f"kept steps: {', '.join(map(str, steps))}" if steps else "it has no checkpoints"
        return CheckpointError(f"{self.folder} has no {what}", hint=kept)


def _warn(message: str) -> None:
    warnings.warn(message, CgkitWarning, stacklevel=3)
