"""The folder of a run: what lies where, who may write in it, and what it remembers."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from cgkit.files.atomic import replace_text, replacing
from cgkit.runs.sample_sheet import Sheet
from cgkit.errors import CheckpointError, ResourceError, RunFolderInUseError
from cgkit.plugins import Plugins
from cgkit.models.provenance import made_with
from cgkit.spec import Spec

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class RunFolder:
    """The paths in a run folder, and the small files that are kept there."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """Where the model to translate with is."""
        return self.path / "model"

    @property
    def best(self) -> Path:
        """Where the best model so far is, if the spec says what is best."""
        return self.path / "best"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other run out of the folder, which is made where it does not exist.

        Raises:
            RunFolderInUseError: another process is in it.
            ResourceError: it cannot be made or written in.
        """
        with _writable(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / ".lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                holder = self.status().get("pid", "unknown")
                raise RunFolderInUseError(
                    f"{self.path} is in use by process {holder}", hint="wait for it, or choose another --output"
                ) from None
        try:
            yield
        finally:
            lock.release()

    def remembered_spec(self) -> dict[str, Any] | None:
        """Return the resolved spec that the folder was begun with; None for a new folder."""
        return self._read_json("spec.resolved.json")

    def made_with(self) -> dict[str, str] | None:
        """Return the versions, by name, of the plugins that what the folder holds was made with; None if not known."""
        try:
            environment = self.environment()
        except CheckpointError:
            return None
        return made_with(environment.get("providers", environment.get("plugins")))

    def environment(self) -> dict[str, Any]:
        """Return what the folder remembers of what the run is made with; an empty dictionary where it does not."""
        return self._read_json("environment.json") or {}

    def samples(self) -> dict[int, Path]:
        """Return the sheets of test images, by the step that they were drawn at."""
        named = [(re.fullmatch(r"step-(\d+)\.png", file.name), file) for file in (self.path / "samples").glob("step-*")]
        return dict(sorted((int(match[1]), file) for match, file in named if match))

    def status(self) -> dict[str, Any]:
        """Return what status.json says; an empty dictionary where there is none."""
        return self._read_json("status.json") or {}

    def remember_spec(self, spec: Spec, source: Path | None) -> None:
        """Keep the resolved spec, and the file that the user wrote as it was."""
        with _writable(self.path):
            if source is not None:
                replace_text(self.path / "spec.toml", source.read_text(encoding="utf-8-sig"))
            replace_text(self.path / "spec.resolved.json", _pretty(spec.to_json()))

    def remember_environment(self, plugins: Plugins, device: torch.device, providers: Mapping[str, str]) -> None:
        """Keep what the run is made with, and which of the plugins' distributions its components come from."""
        values = environment(plugins, device)
        with _writable(self.path):
            replace_text(self.path / "environment.json", _pretty({**values, "providers": dict(providers)}))

    def write_status(self, **values: Any) -> None:
        """Say how the run stands: state, step, steps, exit code; and when that was written."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        replace_text(self.path / "status.json", _pretty({**values, "at": now, "pid": os.getpid()}))

    def write_sample(self, step: int, sheet: Sheet) -> Path:
        """Keep a sheet of test images."""
        folder = self.path / "samples"
        folder.mkdir(exist_ok=True)
        file = folder / f"step-{step:06d}.png"
        with replacing(file) as temporary:
            sheet.write(temporary)
        return file

    def _read_json(self, name: str) -> dict[str, Any] | None:
        try:
            values = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{self.path / name} cannot be read: {error}") from error
        if not isinstance(values, dict):
            raise CheckpointError(f"{self.path / name} is not what a run writes there")
        return values


def environment(plugins: Plugins, device: torch.device) -> dict[str, Any]:
    """Return what a result depends on beside the spec: versions, machine, device, plugins."""
    import torch

    packages = ("cgkit", "torch", "torchvision", "kornia", "numpy", "pillow", "safetensors")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "plugins": {status.distribution: status.version for status in plugins.statuses if status.state == "ok"},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({_processor()})",
        "threads": torch.get_num_threads(),
    }


def difference(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted path, the old and the new value of everything that differs between two nested mappings."""
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        place = f"{path}.{key}" if path else str(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            yield from difference(before, after, place)
        elif before != after:
            yield place, before, after


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ResourceError(f"{path} cannot be written in: {error.strerror or error}") from error


def _pretty(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2) + "\n"


def _processor() -> str:
    import torch

    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return str(capabilities.get("cpu_name", platform.machine()))
