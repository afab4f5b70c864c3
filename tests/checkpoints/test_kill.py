"""A writer that is killed, at whatever line, leaves the checkpoint that it wrote or the one before it."""

from __future__ import annotations

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

from cgkit.checkpoints import Checkpoint, durable, read_latest, write_checkpoint, writing

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# All that touches the disk: the other modules only compute what is written.
TRACED = (writing.__file__, durable.__file__, shutil.__file__)


def write_until_killed(folder: Path, checkpoint: Checkpoint, *, line: int, keep: int) -> bool:
    """Write in a child that kills itself before the given executed line; return whether it lived to the end."""
    child = os.fork()
    if child == 0:
        try:
            sys.settrace(killer(line))
            write_checkpoint(folder, checkpoint, keep=keep)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return False
    assert os.WEXITSTATUS(status) == 0
    return True


def killer(line: int) -> Callable[[FrameType, str, Any], Any]:
    executed = 0

    def count(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal executed
        if event == "line":
            executed += 1
            if executed == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        return count if frame.f_code.co_filename in TRACED else None

    return enter


def outcomes(
    prepared: Path, new: Checkpoint, later: Checkpoint, same: Callable[..., bool], *, keep: int, lines: int = 3000
) -> str:
    """Kill the writing of `new` into a copy of a folder at every line in turn; return what could be read each time.

    Returns:
        A letter for each line: `o` for what was in the folder before, `n` for the new checkpoint.
    """
    folder = prepared.with_name("copy")
    damages: list[str] = []
    before = read_latest(prepared, report=damages.append)
    seen = ""
    for line in range(1, lines + 1):
        shutil.copytree(prepared, folder)
        lived = write_until_killed(folder, new, line=line, keep=keep)
        found = read_latest(folder, report=damages.append)
        assert same(found, new) or same(found, before), f"killed at line {line}: read {found}"
        seen += "n" if same(found, new) else "o"
        write_checkpoint(folder, later, keep=1)
        assert same(read_latest(folder, report=damages.append), later)
        assert [entry.name for entry in folder.iterdir()] == [f"step-{later.step:09d}"]
        assert damages == []
        shutil.rmtree(folder)
        if lived:
            break
    return seen


def test_the_first_checkpoint_is_there_whole_or_not_at_all(folder, small, same):
    folder.mkdir(parents=True)
    seen = outcomes(folder, small(1), small(2), same, keep=3)
    assert re.fullmatch("o{100,}n{5,}", seen)


def test_a_new_step_leaves_the_one_before_readable_and_pruning_leaves_no_halves(folder, small, same):
    for step in (1, 2):
        write_checkpoint(folder, small(step), keep=2)
    seen = outcomes(folder, small(3), small(4), same, keep=1)
    assert re.fullmatch("o{100,}n{50,}", seen)


def test_replacing_a_step_never_leaves_it_without_a_readable_checkpoint(folder, small, same):
    write_checkpoint(folder, small(2, value=0.5), keep=2)
    seen = outcomes(folder, small(2, value=0.75), small(3), same, keep=2)
    assert re.fullmatch("o{100,}n{20,}", seen)


def test_a_second_kill_while_the_first_is_tidied_up_loses_nothing(folder, small, same):
    write_checkpoint(folder, small(2, value=0.5), keep=2).rename(folder / ".tmp-old-step-000000002-99999")
    write_checkpoint(folder.with_name("other"), small(2, value=0.75), keep=2).rename(
        folder / ".tmp-step-000000002-99999"
    )
    seen = outcomes(folder, small(2, value=0.75), small(3), same, keep=2, lines=80)
    assert seen == "o" * 80
