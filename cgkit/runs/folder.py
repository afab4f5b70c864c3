"""The folder of a run: its layout, its lock, and its small files."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w
from filelock import FileLock, Timeout

from cgkit.checkpoints import list_checkpoints
from cgkit.errors import CheckpointError, ResourceError, RunFolderInUseError
from cgkit.files.atomic import replace_text, replacing
from cgkit.files.reading import read_object, reason
from cgkit.images.sheet import Sheet, list_sheets
from cgkit.models.address import RESOLVED
from cgkit.models.provenance import made_with
from cgkit.plugins import Plugins
from cgkit.runs.continuing.changes import FILE as CHANGES
from cgkit.runs.continuing.launch import SPEC, WRITTEN, Launch, is_combined
from cgkit.spec import Spec
from cgkit.spec.images import labels_of
from cgkit.spec.reading import Layer

if TYPE_CHECKING:
    import torch

HEADER = f"""# The spec of this run, with its overrides and absolute paths. It was started with {WRITTEN}.
# To continue the run: cgkit run FOLDER. To train it again: cgkit run FOLDER/{SPEC} --output ANOTHER
"""
START = "start.json"
STOP = "stop.request"
"""A file that asks the run to stop, also from another machine that shares the folder."""
LOCK = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """The paths of a run folder, and methods that read and write its small files."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """The folder of the final model."""
        return self.path / "model"

    @property
    def best(self) -> Path:
        """The folder of the best model so far, if the spec names a metric to select it by (`evaluation.best`)."""
        return self.path / "best"

    @property
    def holds_state(self) -> bool:
        """Whether the folder has anything that a run learned: a checkpoint or a model."""
        return bool(list_checkpoints(self.checkpoints)) or self.model.is_dir() or self.best.is_dir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder if necessary, and lock it against other runs.

        Raises:
            RunFolderInUseError: another process holds the lock.
            ResourceError: the folder cannot be created or written to.
        """
        with _explain_write_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / LOCK)
            try:
                lock.acquire(timeout=0.2)  # since `is_in_use` holds it for a moment
            except Timeout:
                raise self._in_use() from None
        try:
            self._forget_stop()  # of an earlier run that was killed
            yield
        finally:
            self._forget_stop()
            lock.release()

    @property
    def is_in_place(self) -> bool:
        """Whether the folder of a run that trains is still where it was."""
        return any((self.path / name).exists() for name in (LOCK, RESOLVED))

    def refuse_if_moved(self) -> None:
        """Refuse to go on if the folder of a run that trains is not where it was, so that no other one is made.

        Raises:
            ResourceError: the folder was renamed or removed.
        """
        if not self.is_in_place:
            raise ResourceError(
                f"{self.path} was renamed or removed while the run trained, so nothing can be saved there",
                hint="to continue from its last checkpoint, pass its new name: cgkit run FOLDER",
            )

    def refuse_if_in_use(self) -> None:
        """Refuse a folder in which a run trains, before anything takes time.

        Raises:
            RunFolderInUseError: another process holds the lock.
        """
        if self.is_in_use():
            raise self._in_use()

    def _in_use(self) -> RunFolderInUseError:
        holder = self.status().get("pid", "unknown")
        hint = f"wait until it ends, or choose another --output; to follow it: cgkit watch {self.path}"
        return RunFolderInUseError(f"{self.path} is in use by process {holder}", hint=hint)

    def is_in_use(self) -> bool:
        """Return whether a run holds the lock of the folder, which it loses even if it is killed."""
        if not (self.path / LOCK).exists():
            return False
        try:
            with FileLock(self.path / LOCK).acquire(timeout=0):
                return False
        except Timeout:
            return True
        except OSError:  # the folder of another user: nobody who may not write to it can tell
            return self.status().get("state") == "running"

    def ask_to_stop(self) -> None:
        """Ask the run that trains in the folder to save its state and stop; nothing happens if none does.

        Raises:
            ResourceError: the folder cannot be written to.
        """
        if self.is_in_use():
            with _explain_write_errors(self.path):
                (self.path / STOP).touch()

    def is_asked_to_stop(self) -> bool:
        """Return whether the run is asked to stop."""
        return (self.path / STOP).exists()

    def _forget_stop(self) -> None:
        with suppress(OSError):
            (self.path / STOP).unlink(missing_ok=True)

    def remembered_spec(self) -> dict[str, Any] | None:
        """Return the resolved spec of the run in the folder; None if the folder holds no run yet."""
        return self._read_json(RESOLVED)

    def labels(self) -> dict[str, str]:
        """Return what a person calls the directions and domains: `a2b` is, for example, "horse to zebra"."""
        try:
            return labels_of(self.remembered_spec() or {})
        except CheckpointError:  # commands that need more than words say so
            return labels_of({})

    def made_with(self) -> dict[str, str] | None:
        """Return the versions, by name, of the plugins used at the start of the run; None if unknown."""
        try:
            environment = self.environment()
        except CheckpointError:
            return None
        return made_with(environment.get("providers", environment.get("plugins")))

    def environment(self) -> dict[str, Any]:
        """Return the content of environment.json; empty if the file does not exist."""
        return self._read_json("environment.json") or {}

    def started(self) -> tuple[str, ...]:
        """Return a text on each source that the run took its first weights from; empty if these were random."""
        sources = (self._read_json(START) or {}).get("sources", [])
        return tuple(str(source["summary"]) for source in sources)

    def samples(self) -> dict[int, Path]:
        """Return the files of the sample sheets by step, in order."""
        return list_sheets(self.path)

    def discard_records(self) -> None:
        """Delete the sample sheets and small records of a start that left no state, before the run starts again.

        Raises:
            ResourceError: they cannot be deleted.
        """
        with _explain_write_errors(self.path):
            for file in (*self.samples().values(), self.path / CHANGES, self.path / START):
                file.unlink(missing_ok=True)

    def status(self) -> dict[str, Any]:
        """Return the content of status.json; empty if the file does not exist."""
        return self._read_json("status.json") or {}

    def remember_start(self, spec: Spec, layers: Sequence[Layer], combined: Mapping[str, Any], launch: Launch) -> None:
        """Write the spec as resolved, as combined from its layers, and as the user wrote it; and the other options.

        The combined spec includes overrides and has absolute paths, so it describes the run without anything else. If
        the run was continued with it, it is written only if there are new overrides. A spec of the user's own that
        lies in the run folder is left as it is.
        """
        file = next((layer for layer in reversed(layers) if layer.is_file), None)
        with _explain_write_errors(self.path):
            if file is not None:
                inside = Path(file.label).resolve() == (self.path / SPEC).resolve()
                if not inside:
                    replace_text(self.path / WRITTEN, file.text)
                if not inside or (is_combined(self.path) and combined != file.values):
                    replace_text(self.path / SPEC, f"{HEADER}\n{tomli_w.dumps(combined)}")
            replace_text(self.path / RESOLVED, _to_json(spec.to_json()))
            launch.write(self.path)

    def remember_environment(
        self, plugins: Plugins, device: torch.device, providers: Mapping[str, str], arithmetic: Mapping[str, Any]
    ) -> None:
        """Write environment.json: versions, machine, device, arithmetic, and the providers of the components."""
        values = {**environment(plugins, device), "arithmetic": dict(arithmetic)}
        with _explain_write_errors(self.path):
            replace_text(self.path / "environment.json", _to_json({**values, "providers": dict(providers)}))

    def remember_sources(self, sources: Sequence[Mapping[str, Any]]) -> None:
        """Write start.json, the sources of a new run's first weights; do nothing if there are none."""
        if sources:
            with _explain_write_errors(self.path):
                replace_text(self.path / START, _to_json({"sources": list(sources)}))

    def write_status(self, **values: Any) -> None:
        """Write status.json: the given values, the time of writing and the process id."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        replace_text(self.path / "status.json", _to_json({**values, "at": now, "pid": os.getpid()}))

    def thin_samples(self, keep: int) -> int:
        """Remove every second sample sheet if there are more than `keep`, but not the first and the last.

        Returns:
            The number of sheets removed.

        Raises:
            OSError: a sheet cannot be removed.
        """
        sheets = list(self.samples().values())
        removed = sheets[1:-1:2] if len(sheets) > keep else []
        for sheet in removed:
            sheet.unlink()
        return len(removed)

    def write_sample(self, step: int, sheet: Sheet) -> Path:
        """Write the sample sheet of a step; return its file."""
        folder = self.path / "samples"
        folder.mkdir(exist_ok=True)
        file = folder / f"step-{step:06d}.png"
        with replacing(file) as temporary:
            sheet.write(temporary)
        return file

    def _read_json(self, name: str) -> dict[str, Any] | None:
        try:
            return read_object(self.path / name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{self.path / name} cannot be read: {reason(error)}") from error


def environment(plugins: Plugins, device: torch.device) -> dict[str, Any]:
    """Return what determines the results of a run besides its spec: versions, machine, device and plugins."""
    import torch

    packages = ("cgkit", "torch", "torchvision", "kornia", "numpy", "pillow", "safetensors")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "plugins": {status.distribution: status.version for status in plugins.statuses if status.state == "ok"},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({_processor_name()})",
        **(_cuda_versions() if device.type == "cuda" else {}),
        "threads": torch.get_num_threads(),
    }


@contextmanager
def _explain_write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        file = error.filename2 or error.filename or path
        raise ResourceError(f"{file} cannot be written to: {error.strerror or error}") from error


def _to_json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2) + "\n"


def _processor_name() -> str:
    import torch

    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return str(capabilities.get("cpu_name", platform.machine()))


def _cuda_versions() -> dict[str, Any]:
    import torch

    return {"cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
