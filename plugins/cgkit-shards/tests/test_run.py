"""Runs on shards from the command line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cgkit.checkpoints import list_checkpoints
from cgkit.cli import main

SPEC = """
name = "shards"
seed = 5

[data]
source = "shards"
a = "{a}"
b = "{b}"
size = 16
shuffle_shards = 2
workers = {workers}
{more}

[generator]
name = "resnet"
width = 4
blocks = 1
dropout = 0.5

[discriminator]
name = "patch"
width = 4
layers = 1

[train]
steps = 24
batch = 2
image_pool = 4
precision = "fp32"

[checkpoint]
every = 2

[samples]
every = 24
count = 1

[evaluation]
count = 2
"""


def spec(folder: Path, a: object, b: object, more: str = "", workers: int = 2) -> Path:
    file = folder / "spec.toml"
    file.write_text(SPEC.format(a=a, b=b, more=more, workers=workers))
    return file


def cgkit(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cgkit", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(*arguments: object) -> int:
    """Run a command in this process, which avoids importing everything again, and return its exit code."""
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def final_tensors(folder: Path) -> dict[str, torch.Tensor]:
    newest = list_checkpoints(folder / "checkpoints")[-1]
    assert newest.name == "step-000000024"
    return {
        f"{file.stem}/{name}": tensor
        for file in sorted(newest.glob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


@pytest.mark.parametrize("remote", [False, True])
def test_a_run_killed_within_an_epoch_resumes_bit_for_bit(
    remote: bool,
    sharded: Callable[..., Path],
    server: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sharded("a", 14), sharded("b", 11)
    locations = (f"{server.url}/a", f"{server.url}/b") if remote else ("data/a", "data/b")
    # The cache has room for five of the nine shards.
    file = spec(tmp_path, *locations, more='cache = "cache"\ncache_size = 5.2e-5')
    uninterrupted, killed = tmp_path / "uninterrupted", tmp_path / "killed"
    process = cgkit("run", file, "--output", killed)
    deadline = time.monotonic() + 100
    while not list_checkpoints(killed / "checkpoints"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    reached = list_checkpoints(killed / "checkpoints")[-1].name
    assert reached < "step-000000024"
    assert 2 * int(reached[-9:]) % 13 != 0  # within an epoch: a has 13 training images, two per step
    for folder in (uninterrupted, killed):
        assert finished("run", file, "--output", folder) == 0
    assert "resuming" in capsys.readouterr().err
    tensors, expected = final_tensors(killed), final_tensors(uninterrupted)
    assert tensors.keys() == expected.keys()
    assert not [name for name in expected if not torch.equal(tensors[name], expected[name])]
    if remote:
        assert sum(file.stat().st_size for file in (tmp_path / "cache").glob("*.tar")) <= 52_000
        assert len(server.shards) > 9


@pytest.mark.parametrize(("fault", "workers"), [("damaged shard", 0), ("unreachable server", 2)])
def test_unreadable_shards_end_a_run_with_exit_code_3_and_their_name(
    fault: str,
    workers: int,
    sharded: Callable[..., Path],
    server: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folders = {domain: sharded(domain) for domain in "ab"}
    more = 'cache = "cache"\ncache_size = 1e-3\nretries = 0'
    if fault == "damaged shard":
        for shard in folders["a"].glob("*.tar"):
            shard.write_bytes(shard.read_bytes()[:-700])
        file = spec(tmp_path, folders["a"], folders["b"], workers=workers)
    else:
        index = json.loads((folders["a"] / "index.json").read_text())
        for shard in index["shardlist"]:
            shard["url"] = f"http://127.0.0.1:9/{shard['url']}"
        (folders["a"] / "index.json").write_text(json.dumps(index))
        file = spec(tmp_path, folders["a"], f"{server.url}/b", more, workers)
    assert finished("run", file, "--output", tmp_path / "run") == 3
    errors = capsys.readouterr().err
    assert "shard-0000" in errors
    assert "Traceback" not in errors
