"""A run in odd surroundings ends as usual or with a sentence, and continues as if nothing had happened.

Each run is a process of its own. What its surroundings do is a plugin in one file, which changes the process first.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.faults.test_failing_disk import EVERY, weights

Process = Callable[..., "subprocess.Popen[str]"]
pytestmark = pytest.mark.slow

SURROUNDINGS = {
    "64 open files": """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
""",
    "2 GB more than torch takes": """
import resource, torch
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (2 << 30), resource.RLIM_INFINITY))
""",
    "a clock that runs backwards": """
import time
start = time.time()
time.time = lambda: start - 3600 * next(ticks)
import itertools
ticks = itertools.count()
""",
    "umask 000": """
import os
os.umask(0)
""",
    "a file system without locks": """
import errno, fcntl
def refuse(*arguments):
    raise OSError(errno.ENOSYS, "Function not implemented")
fcntl.flock = fcntl.lockf = refuse
""",
}


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_text: str) -> Path:
    """A spec, and next to it its run."""
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "spec.toml").write_text(tiny_text)
    command = [sys.executable, "-m", "cgkit", "--no-plugins", "run", folder / "spec.toml", "--output", folder / "run"]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def is_same(run: Path, other: Path) -> bool:
    found, expected = weights(run), weights(other)
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", SURROUNDINGS)
@pytest.mark.parametrize("workers", [0, 2] if EVERY else [0])
def test_a_run_ends_as_usual_in_odd_surroundings(
    cgkit_process: Process, undisturbed: Path, tmp_path: Path, name: str, workers: int
) -> None:
    (tmp_path / "surroundings.py").write_text(SURROUNDINGS[name])
    arguments = ("--set", f"data.workers={workers}", "--output", tmp_path / "run")
    process = cgkit_process("--plugin", tmp_path / "surroundings.py", "run", undisturbed / "spec.toml", *arguments)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert is_same(tmp_path / "run", undisturbed / "run")


def test_files_are_as_private_as_the_umask_says(cgkit_process: Process, undisturbed: Path, tmp_path: Path) -> None:
    (tmp_path / "surroundings.py").write_text("import os\nos.umask(0o077)\n")
    run = tmp_path / "run"
    process = cgkit_process("--plugin", tmp_path / "surroundings.py", "run", undisturbed / "spec.toml", "--output", run)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert [str(entry) for entry in run.rglob("*") if entry.stat().st_mode & 0o077] == []


def test_of_two_starts_at_the_same_time_one_trains(cgkit_process: Process, undisturbed: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ("--no-plugins", "run", undisturbed / "spec.toml", "--output", run)
    processes = [cgkit_process(*arguments) for _ in range(2)]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    codes = sorted(process.returncode for process in processes)
    # The second one may also come so late that the run is finished.
    assert codes[0] == 0, errors
    if codes[1]:
        assert any("in use" in text or "another process" in text for text in errors), errors
    assert not any("Traceback" in text for text in errors)
    assert is_same(run, undisturbed / "run")


@pytest.mark.parametrize("seconds", [0.1 * number for number in range(1, 100)] if EVERY else [0.5, 2.0, 4.0])
def test_a_run_may_be_ended_at_any_moment(
    cgkit_process: Process, undisturbed: Path, tmp_path: Path, seconds: float
) -> None:
    run = tmp_path / "run"
    arguments = ("--no-plugins", "run", undisturbed / "spec.toml", "--output", run)
    process = cgkit_process(*arguments)
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=200)
    assert process.returncode in (0, 75, -signal.SIGTERM, 128 + signal.SIGTERM), errors
    assert "Traceback" not in errors
    if process.returncode == 75:
        assert json.loads((run / "status.json").read_text())["state"] == "stopped"
    again = cgkit_process(*arguments)
    _, errors = again.communicate(timeout=200)
    assert again.returncode == 0, errors
    assert is_same(run, undisturbed / "run")
    assert list(run.rglob(".tmp-*")) == []
