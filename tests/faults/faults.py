"""What can be wrong with a file of a run folder, and how each command is called on such a folder."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

SECONDS = 20
"""After which a command counts as hung. Each answers within about a second."""


def remove(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    os.truncate(file, 0)


def halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip_bit(file: Path) -> None:
    """Flip a bit in the middle; or in the first byte of a text, where it makes a difference whatever follows."""
    content = bytearray(file.read_bytes())
    if content:
        content[0 if file.suffix in (".json", ".jsonl", ".toml", ".html") else len(content) // 2] ^= 0x10
    file.write_bytes(content)


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()
    (file / "inside").write_text("kept")


def link_to_itself(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def link_to_device(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def make_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def forbid(file: Path) -> None:
    file.chmod(0)


FAULTS: dict[str, Callable[[Path], None]] = {
    "missing": remove,
    "empty": empty,
    "half": halve,
    "flipped": flip_bit,
    "folder": make_folder,
    "loop": link_to_itself,
    "device": link_to_device,
    "pipe": make_pipe,
    **({} if os.getuid() == 0 else {"forbidden": forbid}),  # root may read everything
}

COMMANDS: dict[str, Callable[[Path, Path], tuple[object, ...]]] = {
    "runs": lambda run, intact: ("runs", run.parent),
    "watch": lambda run, intact: ("watch", run),
    "compare": lambda run, intact: ("compare", run, intact / "run"),
    "report": lambda run, intact: ("report", run),
    "translate": lambda run, intact: ("translate", run, intact / "photo.png", "--output", run.parent / "translated"),
    "evaluate": lambda run, intact: ("evaluate", run),
    "export": lambda run, intact: (
        *("export", run, "--format", "published", "--output", run.parent / "exported.pth"),
        *("--direction", "a2b"),
    ),
    "run": lambda run, intact: ("run", run),
}
"""Each command on a run folder; next to an intact copy of it and a photo, which are in the folder `intact`."""

WRITES = {
    "report": ("report.html",),
    "evaluate": ("evaluation.json",),
}
"""The files of a run folder that a command may write; other commands but `run` write none."""


class HungError(Exception):
    """A command took too long."""


@contextmanager
def time_limit(seconds: int = SECONDS) -> Iterator[None]:
    def stop(signal: int, frame: FrameType | None) -> None:
        raise HungError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def copy(run: Path, target: Path) -> Path:
    """Copy a run folder, whose files may be links, so that writing to one does not change the other."""
    shutil.copytree(run, target, symlinks=True)
    return target


def contents(folder: Path) -> dict[str, object]:
    """What a folder holds: for each entry the bytes, the target of a link, or what else it is."""
    found: dict[str, object] = {}
    for entry in sorted(folder.rglob("*")):
        name = entry.relative_to(folder).as_posix()
        if entry.is_symlink():
            found[name] = ("link", str(entry.readlink()))
        elif entry.is_file():
            found[name] = entry.read_bytes()
        else:
            found[name] = "folder" if entry.is_dir() else "pipe"
    return found
