"""What a run was started with besides its spec, so that `cgkit run FOLDER` can continue it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cgkit.errors import CheckpointError, UsageError
from cgkit.files.atomic import replace_text
from cgkit.files.reading import read_object, reason
from cgkit.models.address import RESOLVED

FILE = "launch.json"
SPEC = "spec.toml"
"""The whole spec of a run, which includes the overrides."""
WRITTEN = "spec.original.toml"
"""The spec file as the user wrote it."""


@dataclass(frozen=True)
class Launch:
    """The options with which a run was started and continued.

    Attributes:
        overrides: `path=value` texts, in order; the spec in the run folder includes them.
        plugins: the absolute paths of plugins in single files.
        device: the device that was asked for; None for the default.
    """

    overrides: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    device: str | None = None

    def followed_by(self, overrides: Sequence[str], plugins: Sequence[Path], device: str | None) -> Launch:
        """Return the options after others were added. A plugin replaces another one with the same file name."""
        added = tuple(str(file.resolve()) for file in plugins)
        names = {Path(file).name for file in added}
        kept = tuple(file for file in self.plugins if Path(file).name not in names)
        places = {text.partition("=")[0].strip() for text in overrides}
        earlier = [text for text in self.overrides if text.partition("=")[0].strip() not in places]
        return Launch((*earlier, *overrides), kept + added, device or self.device)

    def write(self, folder: Path) -> None:
        """Write the options to a run folder."""
        replace_text(folder / FILE, json.dumps(asdict(self), indent=2) + "\n")

    def __str__(self) -> str:
        options = [("--set", text) for text in self.overrides] + [("--plugin", file) for file in self.plugins]
        options += [("--device", self.device)] if self.device is not None else []
        return shlex.join(word for option in options for word in option)


def is_combined(folder: Path) -> bool:
    """Return whether the spec in a run folder is the combined one; else it is the user's own, which lies there."""
    return (folder / WRITTEN).exists()


def read_launch(folder: Path) -> Launch:
    """Return the options with which the run in a folder was started.

    Raises:
        UsageError: the folder holds no run that can be continued without its spec.
        CheckpointError: the file of the options is damaged.
    """
    try:
        values = read_object(folder / FILE)
        overrides, plugins = (tuple(map(str, values[key])) for key in ("overrides", "plugins"))
        return Launch(overrides, plugins, None if values["device"] is None else str(values["device"]))
    except FileNotFoundError:
        if (folder / RESOLVED).exists():
            hint = f"pass its spec: cgkit run SPEC --output {folder}"
            raise UsageError(f"{folder} does not say how it was started", hint=hint) from None
        hint = "pass a spec, or a folder that cgkit run has written"
        raise UsageError(f"{folder} is not a run folder", hint=hint) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = f"pass the spec: cgkit run SPEC --output {folder}"
        raise CheckpointError(f"{folder / FILE} is damaged: {reason(error)}", hint=hint) from error
