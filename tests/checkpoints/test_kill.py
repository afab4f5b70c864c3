"""Whenever a writer is killed, its new checkpoint or the previous one can be read.

A first child process runs to the end and records the lines before which the contents of the disk changed. Then one
child for each of these lines is killed before executing it. This covers every state of the disk that the lines of our
code can leave behind.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import cgkit.checkpoints
from cgkit.checkpoints import Checkpoint, read_latest, write_checkpoint

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

TRACED = (str(Path(cgkit.checkpoints.__file__).parent), shutil.__file__)  # folders are removed line by line in shutil


def in_a_child(act: Callable[[], None]) -> int | None:
    """Run a function in a forked child; return the signal that killed it, or None if it finished."""
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    assert os.WEXITSTATUS(status) == 0
    return None


def before_each_line(act: Callable[[int], None]) -> None:
    """Call a function before each further line of our code, with the number of lines executed so far."""
    executed = 0

    def line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal executed
        if event == "line":
            act(executed)
            executed += 1
        return line

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        return line if frame.f_code.co_filename.startswith(TRACED) else None

    sys.settrace(enter)


def write_and_record_changes(folder: Path, checkpoint: Checkpoint, record: Path, *, keep: int) -> None:
    """Write a checkpoint, and record the numbers of the lines before which the disk changed."""
    changes: list[int] = []
    last: list[tuple[str, int]] = []

    def compare(number: int) -> None:
        nonlocal last
        now = [(str(path), path.lstat().st_size if path.is_file() else 0) for path in sorted(folder.rglob("*"))]
        if now != last:
            changes.append(number)
        last = now

    before_each_line(compare)
    write_checkpoint(folder, checkpoint, keep=keep)
    sys.settrace(None)
    record.write_text(json.dumps(changes))


def write_until_killed(folder: Path, checkpoint: Checkpoint, line: int, *, keep: int) -> None:
    """Write a checkpoint, but get killed before the line with the given number."""
    before_each_line(lambda number: os.kill(os.getpid(), signal.SIGKILL) if number == line else None)
    write_checkpoint(folder, checkpoint, keep=keep)


def outcomes(prepared: Path, new: Checkpoint, later: Checkpoint, same: Callable[..., bool], *, keep: int) -> str:
    """Kill a write of `new` into a copy of a folder at every state of the disk, and read the folder after each kill.

    Returns:
        A letter for each kill: `o` if the old checkpoint was read, `n` if the new one was.
    """
    folder, record = prepared.with_name("copy"), prepared.with_name("record")
    previous = read_latest(prepared, report=pytest.fail)
    shutil.copytree(prepared, folder)
    assert in_a_child(lambda: write_and_record_changes(folder, new, record, keep=keep)) is None
    seen = ""
    for line in json.loads(record.read_text()):
        shutil.rmtree(folder)
        shutil.copytree(prepared, folder)
        assert in_a_child(lambda line=line: write_until_killed(folder, new, line, keep=keep)) == signal.SIGKILL
        latest = read_latest(folder, report=pytest.fail)
        assert same(latest, new) or same(latest, previous), f"killed before line {line}: read {latest}"
        seen += "n" if same(latest, new) else "o"
        write_checkpoint(folder, later, keep=1)
        assert same(read_latest(folder, report=pytest.fail), later)
        assert [entry.name for entry in folder.iterdir()] == [f"step-{later.step:09d}"]
    return seen


def test_the_first_checkpoint_is_complete_or_absent(folder, small, same):
    folder.mkdir(parents=True)
    seen = outcomes(folder, small(1), small(2), same, keep=3)
    assert re.fullmatch("o{8,}n", seen)


def test_the_previous_checkpoint_stays_readable_and_pruning_leaves_no_halves(folder, small, same):
    for step in (1, 2):
        write_checkpoint(folder, small(step), keep=2)
    seen = outcomes(folder, small(3), small(4), same, keep=1)
    assert re.fullmatch("o{10,}n{5,}", seen)


def test_replacing_a_checkpoint_always_leaves_a_readable_one(folder, small, same):
    write_checkpoint(folder, small(2, value=0.5), keep=2)
    seen = outcomes(folder, small(2, value=0.75), small(3), same, keep=2)
    assert re.fullmatch("o{10,}n{5,}", seen)


def test_a_second_kill_during_the_cleanup_loses_nothing(folder, small, same):
    write_checkpoint(folder, small(2, value=0.5), keep=2).rename(folder / ".tmp-old-step-000000002-99999")
    write_checkpoint(folder.with_name("other"), small(2, value=0.75), keep=2).rename(
        folder / ".tmp-step-000000002-99999"
    )
    seen = outcomes(folder, small(2, value=0.75), small(3), same, keep=2)
    assert re.fullmatch("o{15,}n{5,}", seen)
