"""What a person sees of a run in a terminal, how it answers Ctrl-C, and how another terminal follows it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from fcntl import ioctl
from pathlib import Path

import pytest

from tests.conftest import Result

SLOW = """
import time
import cgkit

@cgkit.hookimpl
def cgkit_step_finished(run, step):
    time.sleep(0.3)
"""

INTERRUPTED = """
import signal, threading, time
import cgkit

@cgkit.hookimpl
def cgkit_step_finished(run, step):
    if step == 3:
        for pause in (0.3, 0.3):
            time.sleep(pause)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(3)
"""


def in_terminal(columns: int, *arguments: object, interrupt_at: str = "") -> tuple[int, list[str]]:
    """Run a command in a terminal; press Ctrl-C once it shows `interrupt_at`. Return its exit code and its lines."""
    child, terminal = pty.fork()
    if child == 0:
        command = [sys.executable, "-m", "cgkit", *map(str, arguments)]
        own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        os.execve(sys.executable, command, {**own, "TERM": "xterm", "OMP_NUM_THREADS": "1"})
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    shown = ""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux ends a terminal with an error
            break
        shown += part.decode(errors="replace")
        if interrupt_at and interrupt_at in shown:
            os.write(terminal, b"\x03")
            interrupt_at = ""
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    return code, [line for line in re.split(r"[\r\n]+", text) if line.strip()]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_a_terminal_shows_a_header_and_then_a_bar_that_fits(columns: int, tiny_spec: Path, tmp_path: Path) -> None:
    code, lines = in_terminal(columns, "run", tiny_spec, "--output", tmp_path / "run", "--device", "cpu")
    assert code == 0
    header = "\n".join(lines[: next(number for number, line in enumerate(lines) if "0/4" in line)])
    for fact in (
        "tiny, in",
        "1 thread, fp32",
        "12 images",
        "4 to test",
        "4 steps of batch 2",
        f"{tmp_path}/run/report.html",
        "Ctrl-C",
    ):
        assert fact in header
    bars = [line for line in lines if re.search(r"[0-4]/4 +\d+%", line)]
    assert [line for line in bars if len(line) > columns] == []
    assert re.search(r"0/4 +0% +epoch 0/0\.7", bars[0])
    assert re.search(r"[1-3]/4 +(25|50|75)% +epoch 0\.[235]/0\.7 +[\d.]+ (it/s|s/it) +\d:\d\d left", "\n".join(bars))
    assert re.search(r"4/4 +100%", bars[-1])


def test_ctrl_c_is_answered_and_the_same_command_continues(tiny_spec: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "slow.py"
    plugin.write_text(SLOW)
    arguments = ("run", tiny_spec, "--output", tmp_path / "run", "--device", "cpu", "--plugin", plugin)
    code, lines = in_terminal(80, *arguments, "--set", "train.steps=200", interrupt_at="2/200")
    assert code == 75
    text = "\n".join(lines)
    assert "stopping after this step" in text
    reached = int(re.findall(r"stopped and saved at step (\d+)", text)[0])
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["step"], status["saved_step"]) == ("stopped", reached, reached)
    code, lines = in_terminal(80, *arguments, "--set", f"train.steps={reached + 1}")
    assert code == 0
    assert f"resuming {tmp_path / 'run'} at step {reached}" in "".join(lines)


def test_a_second_ctrl_c_ends_at_once_and_leaves_a_true_status(
    tiny_spec: Path, tmp_path: Path, cgkit: Callable[..., Result]
) -> None:
    plugin = tmp_path / "interrupted.py"
    plugin.write_text(INTERRUPTED)
    result = cgkit("run", tiny_spec, "--output", tmp_path / "run", "--plugin", plugin)
    assert result.code == 130
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("interrupted", 130)
    assert (status["step"], status["saved_step"]) == (3, 2)
    assert cgkit("run", tiny_spec, "--output", tmp_path / "run").code == 0


def test_a_status_is_up_to_date_while_a_run_trains_and_watch_follows_it(
    tiny_spec: Path, tmp_path: Path, cgkit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    folder, plugin = tmp_path / "run", tmp_path / "slow.py"
    plugin.write_text(SLOW)
    arguments = ("--output", folder, "--device", "cpu", "--plugin", plugin, "--set", "train.steps=1000")
    run = cgkit_process("run", tiny_spec, *arguments)
    while not (folder / "status.json").exists() or json.loads((folder / "status.json").read_text())["step"] < 3:
        assert run.poll() is None
        time.sleep(0.1)
    status = json.loads((folder / "status.json").read_text())
    assert status["state"] == "running"
    assert status["epoch"] == pytest.approx(status["step"] / 6)
    assert status["seconds_left"] > 0
    watch = cgkit_process("watch", folder, "--interval", "0.2")
    assert watch.stderr is not None
    first = watch.stderr.readline()
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=60)
    assert re.match(r"step \d+/1000  ", first)
    assert "stopped at step" in watch.communicate(timeout=60)[1]
    assert run.returncode == watch.returncode == 75


def test_watch_refuses_what_is_no_run(tmp_path: Path, cgkit: Callable[..., Result]) -> None:
    result = cgkit("watch", tmp_path)
    assert result.code == 5
    assert "is not a run folder" in result.err
    (tmp_path / "status.json").write_text('{"state": "running"}')
    assert "says nothing about the progress" in cgkit("watch", tmp_path).err
