"""Workers that are killed, hang or find no shared memory end the run within seconds, with its state saved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cgkit.checkpoints import list_checkpoints
from cgkit.cli import main
from cgkit.data import worker_processes
from tests.conftest import Result

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are listed by Linux")

SEASONS = 'source = "seasons"\nsize = 16\ntrain = 12\ntest = 4\nworkers = 0'


@dataclass(frozen=True)
class Command:
    """A process in a session of its own, which a test has started."""

    pid: int
    messages: Path

    def wait(self) -> int:
        """Wait for the end of the command and all its workers; return the exit code."""
        _, status = os.waitpid(self.pid, 0)
        until(lambda: not living(self.pid))
        return os.waitstatus_to_exitcode(status)

    def fails(self, code: int) -> str:
        """Wait for the end with an exit code other than 0; return the messages."""
        assert self.wait() == code, self.messages.read_text()
        messages = self.messages.read_text()
        assert "Traceback" not in messages
        return messages

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        until(lambda: condition() or os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))
        assert condition(), self.messages.read_text()

    @property
    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(child) for child in children.split()]


HANGING = '''
import multiprocessing
import time

import numpy as np

import cgkit
from cgkit.contracts import ImageRecord


class Images:
    """Grey images, of which `first` of a worker are drawn at once, and the next one never is."""

    def __init__(self, first):
        self._left = first

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        return ImageRecord(f"{index}.png", render=self._draw)

    def fingerprint(self):
        return "grey"

    def _draw(self):
        if multiprocessing.parent_process() is not None:
            while self._left == 0:
                time.sleep(60)
            self._left -= 1
        return np.full((3, 16, 16), 0.5, np.float32)


class Hanging:
    aligned = False

    def __init__(self, size, *, first: int = 4):
        self._first = first

    def train(self):
        return Images(self._first), Images(10**9)

    def test(self):
        return Images(10**9), Images(10**9)


@cgkit.hookimpl
def cgkit_register(registries):
    registries.sources.add("hanging", Hanging)
'''


def living(session: int) -> list[str]:
    """The processes of a session that have not ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, of_session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(of_session) == session and state != "Z":
            found.append(folder.name)
    return found


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def status(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return content


def newest(folder: Path) -> Path:
    return list_checkpoints(folder / "checkpoints")[-1]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    files = newest(folder).glob("*.safetensors")
    return {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


def recorded(folder: Path) -> int:
    """The last step in metrics.jsonl."""
    file = folder / "metrics.jsonl"
    lines = file.read_text().split("\n") if file.exists() else []
    return int(json.loads(lines[-2])["step"]) if len(lines) > 1 else 0


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start `cgkit` in a process that is forked from this one, or another command in a new process.

    What is left of them after the test is killed.
    """
    started: list[Command] = []

    def call(*arguments: object, command: Sequence[str] = ()) -> Command:
        messages = tmp_path / f"messages-{len(started)}"
        child = os.fork()
        if not child:
            os.setsid()
            sys.stdout = sys.stderr = messages.open("w", buffering=1)
            _become(arguments, command, sys.stderr.fileno())
        started.append(Command(child, messages))
        return started[-1]

    yield call
    for command in started:
        for left in living(command.pid):
            os.kill(int(left), signal.SIGKILL)


def _become(arguments: Sequence[object], command: Sequence[str], messages: int) -> None:
    code = 1
    try:
        if command:
            os.dup2(messages, 2)
            os.execvp(command[0], command)
        main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        os._exit(code)


@pytest.fixture
def files(tmp_path: Path, tiny_text: str, image_folder: Callable[..., Path]) -> list[object]:
    """The arguments that train on image files with two workers."""
    image_folder("a", 5)
    image_folder("b", 6)
    spec = tmp_path / "spec.toml"
    folders = 'source = "folder"\nsize = 16\na = "a"\nb = "b"\nworkers = 2'
    text = tiny_text.replace(SEASONS, folders).replace("every = 2", "every = 1000")
    spec.write_text(f'{text}\n[log]\nevery = 1\n[schedule]\nname = "constant"')
    return ["run", spec, "--output", tmp_path / "run", "--set", "train.steps=1000000"]


@pytest.fixture
def hanging(tmp_path: Path, tiny_text: str) -> list[object]:
    """The arguments that start a run whose workers draw four images each and then hang."""
    plugin, spec = tmp_path / "hanging.py", tmp_path / "spec.toml"
    plugin.write_text(HANGING)
    text = tiny_text.replace(SEASONS, 'source = "hanging"\nsize = 16\nworkers = 2')
    spec.write_text(text.replace("every = 2", "every = 1000") + "\n[log]\nevery = 1")
    return ["--plugin", plugin, "run", spec, "--output", tmp_path / "run", "--set", "train.steps=100"]


def test_a_killed_worker_costs_no_step(
    files: list[object], tmp_path: Path, start: Callable[..., Command], cgkit: Callable[..., Result]
) -> None:
    folder, before = tmp_path / "run", 0
    for number in range(8):
        command = start(*files)
        command.until(lambda before=before: recorded(folder) > before)
        time.sleep(0.03 * number)
        os.kill(command.workers[number % 2], signal.SIGKILL)
        messages = command.fails(7)
        assert "a worker process was killed, probably because the machine ran out of memory" in messages
        assert "data.workers = 1 instead of 2" in messages
        assert status(folder)["exit_code"] == 7
        assert newest(folder).name == f"step-{status(folder)['step']:09d}"
        assert status(folder)["step"] > before
        before = status(folder)["step"]
    # The state is that of a run that nobody disturbed, also if it continues as the message advises.
    length = ["--set", f"train.steps={before + 1}"]
    assert cgkit(*files, *length, "--set", "data.workers=1").code == 0
    assert cgkit(*files, *length, "--set", "data.workers=0", "--output", tmp_path / "straight").code == 0
    one, other = tensors(folder), tensors(tmp_path / "straight")
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_stop_is_honoured_while_the_run_waits_for_images(
    hanging: list[object], tmp_path: Path, start: Callable[..., Command]
) -> None:
    # A process of its own, because Python must be able to exit.
    command = start(command=[sys.executable, "-m", "cgkit", *map(str, hanging)])
    command.until(lambda: recorded(tmp_path / "run") == 4)
    os.killpg(command.pid, signal.SIGTERM)
    assert "stopped and saved at step 4" in command.fails(75)
    assert status(tmp_path / "run")["state"] == "stopped"
    assert newest(tmp_path / "run").name == "step-000000004"


def test_workers_that_were_stopped_do_not_hold_up_the_end(
    files: list[object], tmp_path: Path, start: Callable[..., Command]
) -> None:
    command = start(command=[sys.executable, "-m", "cgkit", *map(str, files)])
    command.until(lambda: recorded(tmp_path / "run") > 0)
    for worker in command.workers:
        os.kill(worker, signal.SIGSTOP)
    time.sleep(1)  # until the batches that were loaded ahead are used up
    os.kill(command.pid, signal.SIGTERM)
    command.fails(75)
    assert newest(tmp_path / "run").name == f"step-{status(tmp_path / 'run')['step']:09d}"


def test_a_stop_before_the_first_image_leaves_a_run_that_starts_again(
    hanging: list[object], tmp_path: Path, start: Callable[..., Command]
) -> None:
    command = start(*hanging, "--set", "data.first=0")
    command.until(lambda: len(command.workers) == 2)
    os.kill(command.pid, signal.SIGINT)
    command.fails(75)
    assert not list_checkpoints(tmp_path / "run" / "checkpoints")


def test_hung_workers_do_not_outlive_a_killed_run(
    hanging: list[object], tmp_path: Path, start: Callable[..., Command]
) -> None:
    command = start(*hanging)
    command.until(lambda: recorded(tmp_path / "run") == 4)
    os.kill(command.pid, signal.SIGKILL)
    assert command.wait() == -signal.SIGKILL


def test_workers_that_do_not_answer_end_the_run(
    hanging: list[object], tmp_path: Path, start: Callable[..., Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_processes, "WORKER_TIMEOUT", 1)
    messages = start(*hanging).fails(3)
    assert "the worker processes delivered no images for 1 seconds; the disk or network" in messages
    assert newest(tmp_path / "run").name == "step-000000004"


@pytest.fixture
def in_container(start: Callable[..., Command]) -> Callable[..., Command]:
    """Start `cgkit` in a mount namespace with a small /dev/shm, as in a container."""
    trial = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"]
    if shutil.which("unshare") is None or subprocess.run(trial, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a small /dev/shm here")

    def call(size: str, *arguments: object) -> Command:
        script = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
        command = ["unshare", "-m", "sh", "-c", script, "sh", sys.executable, "-m", "cgkit", *map(str, arguments)]
        return start(command=command)

    return call


def test_too_little_shared_memory_is_refused_before_anything_is_written(
    files: list[object], tmp_path: Path, in_container: Callable[..., Command]
) -> None:
    messages = in_container("64m", *files, "--set", "data.size=256", "--set", "train.batch=8").fails(7)
    assert "2 workers load" in messages
    assert "docker run --shm-size=8g" in messages
    assert "data.workers = 0" in messages
    assert not (tmp_path / "run").exists()


def test_shared_memory_that_fills_up_later_ends_the_run(
    files: list[object], tmp_path: Path, in_container: Callable[..., Command]
) -> None:
    command = in_container("2m", *files)
    command.until(lambda: recorded(tmp_path / "run") > 1)
    with Path(f"/proc/{command.pid}/root/dev/shm/other").open("wb") as other, pytest.raises(OSError, match="No space"):
        other.write(bytes(4 << 20))
    messages = command.fails(7)
    assert "/dev/shm" in messages
    assert "docker run --shm-size=8g" in messages
    assert newest(tmp_path / "run").name == f"step-{status(tmp_path / 'run')['step']:09d}"
