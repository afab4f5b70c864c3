"""The SLURM example: a job that reaches its time limit saves and is requeued."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cgkit.checkpoints.layout import list_checkpoints

SCRIPT = Path(__file__).parents[2] / "examples" / "slurm.sh"


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    """Return an environment with SLURM's commands emulated on this machine."""
    commands = tmp_path / "bin"
    commands.mkdir()
    # srun forwards signals to its process; exec has the same effect.
    (commands / "srun").write_text('#!/bin/bash\nexec "$@"\n')
    (commands / "torchrun").write_text(f'#!/bin/bash\nexec {sys.executable} -m torch.distributed.run "$@"\n')
    (commands / "scontrol").write_text(
        f'#!/bin/bash\n[ "$1" = show ] && echo localhost || echo "$@" >> {tmp_path / "requeued"}\n'
    )
    for command in commands.iterdir():
        command.chmod(0o755)
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        port = unused.getsockname()[1]
    job = {"SLURM_JOB_ID": "42", "SLURM_JOB_NODELIST": "localhost", "SLURM_JOB_NUM_NODES": "1"}
    path = f"{commands}:{os.environ['PATH']}"
    return {
        **os.environ,
        **job,
        "SLURM_GPUS_ON_NODE": "2",
        "CGKIT_PORT": str(port),
        "PATH": path,
        "OMP_NUM_THREADS": "1",
    }


def test_a_job_at_its_time_limit_is_requeued_and_the_next_one_finishes_the_run(
    tiny_spec: Path, tmp_path: Path, cluster: dict[str, str]
) -> None:
    tiny_spec.write_text(tiny_spec.read_text().replace("steps = 4", "steps = 150").replace("every = 2", "every = 5"))
    run, requeued = tmp_path / "run", tmp_path / "requeued"
    command = ["bash", str(SCRIPT), str(tiny_spec), str(run)]
    job = subprocess.Popen(command, env=cluster, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 90
    while not list_checkpoints(run / "checkpoints"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job.send_signal(signal.SIGTERM)
    output, _ = job.communicate(timeout=60)
    assert json.loads((run / "status.json").read_text())["state"] == "stopped", output
    assert requeued.read_text() == "requeue 42\n"
    done = subprocess.run(command, env=cluster, capture_output=True, text=True, timeout=120, check=False)
    assert json.loads((run / "status.json").read_text())["state"] == "finished", done.stderr
    assert requeued.read_text() == "requeue 42\n", "a finished run is not requeued"
