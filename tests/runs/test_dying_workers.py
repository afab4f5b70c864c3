"""Workers that are killed, hang or find no shared memory end the run within seconds, with its state saved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cgkit.checkpoints import list_checkpoints

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are listed by Linux")

Process = subprocess.Popen[str]

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


def workers_of(process: Process) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


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


def until(condition: Callable[[], object], process: Process | None = None) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(process: Process, code: int) -> str:
    """Wait for the end of a run; return what it printed to stderr."""
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    until(lambda: not living(process.pid))
    return errors


def status(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "status.json").read_text())
    return content


def newest(folder: Path) -> Path:
    return list_checkpoints(folder / "checkpoints")[-1]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    files = newest(folder).glob("*.safetensors")
    return {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


@pytest.fixture
def start(cgkit_process: Callable[..., Process]) -> Iterator[Callable[..., Process]]:
    """Start a command in a session of its own; what is left of it after the test is killed."""
    started: list[Process] = []

    def call(*arguments: object, **options: Any) -> Process:
        started.append(cgkit_process(*arguments, start_new_session=True, **options))
        return started[-1]

    yield call
    for process in started:
        for left in living(process.pid):
            os.kill(int(left), signal.SIGKILL)
        process.communicate()


@pytest.fixture
def files(tmp_path: Path, tiny_text: str, image_folder: Callable[..., Path]) -> Path:
    """A spec that trains on image files with two workers."""
    image_folder("a", 5)
    image_folder("b", 6)
    spec = tmp_path / "spec.toml"
    seasons = 'source = "seasons"\nsize = 16\ntrain = 12\ntest = 4\nworkers = 0'
    assert seasons in tiny_text
    spec.write_text(tiny_text.replace(seasons, 'source = "folder"\nsize = 16\na = "a"\nb = "b"\nworkers = 2'))
    return spec


@pytest.fixture
def hanging(tmp_path: Path, tiny_text: str) -> list[object]:
    """The arguments that start a run whose workers draw four images each and then hang."""
    plugin, spec = tmp_path / "hanging.py", tmp_path / "spec.toml"
    plugin.write_text(HANGING)
    seasons = 'source = "seasons"\nsize = 16\ntrain = 12\ntest = 4\nworkers = 0'
    spec.write_text(tiny_text.replace(seasons, 'source = "hanging"\nsize = 16\nworkers = 2').replace("every = 2", ""))
    return ["--plugin", plugin, "run", spec, "--output", tmp_path / "run", "--set", "train.steps=100"]


def test_a_killed_worker_costs_no_step(files: Path, tmp_path: Path, start: Callable[..., Process]) -> None:
    folder, kills = tmp_path / "run", 6
    settings = ["--set", "checkpoint.every=1000", "--set", "log.every=1"]
    length = ["--set", "train.steps=1000000"]
    for number in range(kills):
        process = start("run", files, "--output", folder, *settings, *length)
        before = status(folder)["step"] if number else 0
        until(lambda process=process: len(workers_of(process)) == 2, process)
        until(lambda before=before: recorded(folder) > before, process)
        time.sleep(0.07 * number)
        os.kill(workers_of(process)[number % 2], signal.SIGKILL)
        errors = ended(process, 7)
        assert "a worker process was killed, probably because the machine ran out of memory" in errors
        assert "data.workers = 1 instead of 2" in errors
        assert status(folder)["exit_code"] == 7
        assert newest(folder).name == f"step-{status(folder)['step']:09d}"
        assert status(folder)["step"] > before
    # The state is that of a run that nobody disturbed, also if it continues as the message advises.
    steps = status(folder)["step"] + 1
    length = ["--set", f"train.steps={steps}"]
    ended(start("run", files, "--output", folder, *settings, *length, "--set", "data.workers=1"), 0)
    ended(start("run", files, "--output", tmp_path / "straight", *settings, *length, "--set", "data.workers=0"), 0)
    one, other = tensors(folder), tensors(tmp_path / "straight")
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def recorded(folder: Path) -> int:
    file = folder / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines and lines[-1].endswith("}") else 0


def test_a_stop_is_honoured_while_the_run_waits_for_images(
    hanging: list[object], tmp_path: Path, start: Callable[..., Process]
) -> None:
    process = start(*hanging, "--set", "log.every=1")
    until(lambda: recorded(tmp_path / "run") == 4, process)
    os.killpg(process.pid, signal.SIGTERM)
    assert "stopped and saved at step 4" in ended(process, 75)
    assert status(tmp_path / "run")["state"] == "stopped"
    assert newest(tmp_path / "run").name == "step-000000004"


def test_a_stop_before_the_first_image_leaves_a_run_that_starts_again(
    hanging: list[object], tmp_path: Path, start: Callable[..., Process]
) -> None:
    process = start(*hanging, "--set", "data.first=0")
    until(lambda: len(workers_of(process)) == 2, process)
    process.send_signal(signal.SIGINT)
    ended(process, 75)
    assert not list_checkpoints(tmp_path / "run" / "checkpoints")


def test_hung_workers_do_not_outlive_a_killed_run(
    hanging: list[object], tmp_path: Path, start: Callable[..., Process]
) -> None:
    process = start(*hanging, "--set", "log.every=1")
    until(lambda: recorded(tmp_path / "run") == 4, process)
    process.kill()
    process.wait()
    until(lambda: not living(process.pid))


def test_a_second_interrupt_ends_a_run_with_hung_workers(
    hanging: list[object], tmp_path: Path, start: Callable[..., Process]
) -> None:
    process = start(*hanging, "--set", "log.every=1")
    until(lambda: recorded(tmp_path / "run") == 4, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode in (75, 130)
    until(lambda: not living(process.pid))


SMALL = "mount -t tmpfs -o size={size} tmpfs /dev/shm && exec {python} -m cgkit run {spec} --output {output} {settings}"


@pytest.fixture
def with_small_shared_memory(files: Path, tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start the run in a mount namespace with a small /dev/shm, as in a container."""
    trial = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/dev/shm"]
    if shutil.which("unshare") is None or subprocess.run(trial, capture_output=True).returncode != 0:
        pytest.skip("cannot mount a small /dev/shm here")
    started: list[Process] = []

    def call(size: str, *settings: str) -> Process:
        overrides = " ".join(f"--set {setting}" for setting in settings)
        script = SMALL.format(size=size, python=sys.executable, spec=files, output=tmp_path / "run", settings=overrides)
        command = ["unshare", "-m", "sh", "-c", script]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        started.append(subprocess.Popen(command, env=environment, start_new_session=True, **pipes))
        return started[-1]

    yield call
    for process in started:
        for left in living(process.pid):
            os.kill(int(left), signal.SIGKILL)
        process.communicate()


def test_too_little_shared_memory_is_refused_before_anything_is_written(
    tmp_path: Path, with_small_shared_memory: Callable[..., Process]
) -> None:
    errors = ended(with_small_shared_memory("64m", "data.size=256", "train.batch=8"), 7)
    assert "2 workers load" in errors
    assert "docker run --shm-size=8g" in errors
    assert "data.workers = 0" in errors
    assert not (tmp_path / "run").exists()


def test_shared_memory_that_fills_up_later_ends_the_run(
    tmp_path: Path, with_small_shared_memory: Callable[..., Process]
) -> None:
    process = with_small_shared_memory("2m", "train.steps=1000000", "log.every=1")
    until(lambda: recorded(tmp_path / "run") > 1, process)
    with Path(f"/proc/{process.pid}/root/dev/shm/other").open("wb") as other, pytest.raises(OSError, match="No space"):
        other.write(bytes(4 << 20))
    errors = ended(process, 7)
    assert "/dev/shm" in errors
    assert "docker run --shm-size=8g" in errors
    assert newest(tmp_path / "run").name == f"step-{status(tmp_path / 'run')['step']:09d}"
