"""Several processes, started by torchrun, that train one model."""

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

from cgkit.checkpoints.layout import list_checkpoints
from cgkit.engine.distributed import ALONE, refuse_uneven_shares
from cgkit.errors import SpecError

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch is built without distributed")

SETTINGS = ["train.precision=fp64", "train.image_pool=0", "checkpoint.every=2", "checkpoint.keep=50"]

LONGER = ["train.precision=fp64", "train.image_pool=3", "train.steps=40", "checkpoint.every=5", "checkpoint.keep=50"]

Torchrun = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def torchrun() -> Torchrun:
    """Start two processes that train a spec into a folder."""

    def start(spec: Path, output: Path, *settings: str, restarts: int = 0) -> subprocess.Popen[str]:
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", f"--max-restarts={restarts}"]
        overrides = [part for setting in settings for part in ("--set", setting)]
        command = [sys.executable, *launcher, "-m", "cgkit", "run", str(spec), "--output", str(output), *overrides]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}  # there may be one GPU
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    return start


def finished(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-3000:]
    return out + err


def final(folder: Path) -> dict[str, torch.Tensor]:
    newest = list_checkpoints(folder / "checkpoints")[-1]
    files = sorted(newest.glob("*.safetensors"))
    return {f"{file.stem}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


@pytest.fixture(scope="module")
def straight(tiny_text: str, torchrun: Torchrun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The last checkpoint of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("straight")
    (folder / "spec.toml").write_text(tiny_text)
    finished(torchrun(folder / "spec.toml", folder / "run", *LONGER))
    return final(folder / "run")


def children_of(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_processes_with_one_image_each_train_like_one_process_with_two(
    tiny_spec: Path, tmp_path: Path, torchrun: Torchrun, cgkit: Callable[..., object]
) -> None:
    output = finished(torchrun(tiny_spec, tmp_path / "two", *SETTINGS))
    overrides = [part for setting in SETTINGS for part in ("--set", setting)]
    cgkit("run", tiny_spec, "--output", tmp_path / "one", *overrides)
    one, two = final(tmp_path / "one"), final(tmp_path / "two")
    assert one.keys() == two.keys()
    weights = [name for name in one if name.startswith("model/")]
    assert max(float((one[name] - two[name]).abs().max()) for name in weights) < 1e-6
    losses = [
        [json.loads(line)["cycle_forward"] for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()[:1]]
        for run in ("one", "two")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert output.count("the report is ") == 1, "only rank 0 prints"


def test_a_stopped_run_resumes_exactly_with_an_image_pool_for_each_process(
    tiny_spec: Path, tmp_path: Path, torchrun: Torchrun, straight: dict[str, torch.Tensor]
) -> None:
    process = torchrun(tiny_spec, tmp_path / "halted", *LONGER)
    until(lambda: len(list_checkpoints(tmp_path / "halted" / "checkpoints")) >= 2)
    process.send_signal(signal.SIGTERM)  # torchrun passes it on to every process
    process.communicate(timeout=60)
    assert json.loads((tmp_path / "halted" / "status.json").read_text())["state"] in ("stopped", "finished")
    finished(torchrun(tiny_spec, tmp_path / "halted", *LONGER))
    continued = final(tmp_path / "halted")
    assert {"pool/a", "pool/a.1", "pool/b", "pool/b.1"} <= straight.keys()
    assert not torch.equal(straight["pool/a"], straight["pool/a.1"])
    assert [name for name in straight if not torch.equal(straight[name], continued[name])] == []


def test_a_run_continues_with_another_number_of_processes_which_share_the_image_pools(
    tiny_spec: Path, tmp_path: Path, torchrun: Torchrun, cgkit: Callable[..., Any]
) -> None:
    run, settings = tmp_path / "run", [*LONGER, "train.steps=3", "checkpoint.every=3"]

    def continue_alone(steps: int) -> str:
        overrides = [part for setting in (*settings, f"train.steps={steps}") for part in ("--set", setting)]
        result = cgkit("run", tiny_spec, "--output", run, *overrides)
        assert result.code == 0, result.err
        return str(result.err)

    continue_alone(3)
    before = final(run)["pool/a"]
    assert len(before) == 3
    said = finished(torchrun(tiny_spec, run, *settings, "train.steps=4", "checkpoint.every=1"))
    assert "the number of processes was 1 and is now 2: they share out the image pools" in said
    pools = final(run)
    # One image for each of the two ranks, which then stores one more in its step.
    assert [len(pools[name]) for name in ("pool/a", "pool/a.1")] == [2, 2]
    assert torch.equal(torch.cat([pools["pool/a"][:1], pools["pool/a.1"][:1]]), before[:2])
    assert "the number of processes was 2 and is now 1" in continue_alone(5)
    assert len(final(run)["pool/a"]) == 3  # of four, as many as there is room for


def test_if_a_process_is_killed_all_stop_and_the_run_restarts_from_the_last_checkpoint(
    tiny_spec: Path, tmp_path: Path, torchrun: Torchrun, straight: dict[str, torch.Tensor]
) -> None:
    process = torchrun(tiny_spec, tmp_path / "killed", *LONGER, restarts=1)
    until(lambda: len(list_checkpoints(tmp_path / "killed" / "checkpoints")) >= 2)
    os.kill(children_of(process.pid)[-1], signal.SIGKILL)
    assert "resuming" in finished(process)
    assert not list((tmp_path / "killed" / "checkpoints").glob(".tmp-*"))
    restarted = final(tmp_path / "killed")
    assert [name for name in straight if not torch.equal(straight[name], restarted[name])] == []


def test_if_a_worker_of_one_process_is_killed_all_processes_end(
    tiny_spec: Path, tmp_path: Path, torchrun: Torchrun
) -> None:
    process = torchrun(tiny_spec, tmp_path / "run", *LONGER, "train.steps=1000000", "data.workers=1")
    until(lambda: len(list_checkpoints(tmp_path / "run" / "checkpoints")) >= 2)
    ranks = children_of(process.pid)
    workers = [worker for rank in ranks for worker in children_of(rank)]
    assert len(workers) == 2
    os.kill(workers[-1], signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert err.count("a worker process was killed, probably because the machine ran out of memory") == 1
    until(lambda: not any(Path(f"/proc/{left}").exists() for left in (*ranks, *workers)))
    assert json.loads((tmp_path / "run" / "status.json").read_text())["exit_code"] == 7


LEAVING = """
import sys
from pathlib import Path
from typing import Any
import torch
from cgkit.engine.distributed import join

with join(torch.device("cpu")) as processes:
    layer = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.ones(1, 2)).sum().backward()
    processes.average([part.grad for part in layer.parameters()])
    optimizer.step()
sys.stdout.write(f"{[file.read_text().strip() for file in Path('/proc/self/task').glob('*/comm')]}\\n")
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed by Linux")
def test_the_process_group_is_gone_after_training(tmp_path: Path) -> None:
    (tmp_path / "leaving.py").write_text(LEAVING)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    output = subprocess.run([*command, str(tmp_path / "leaving.py")], capture_output=True, text=True, check=True).stdout
    assert output.count("[") == 2
    assert "gloo" not in output, "its threads can abort a process that is ending"


def test_all_processes_start_from_the_same_weights(
    tiny_spec: Path, tmp_path: Path, torchrun: Torchrun, cgkit: Callable[..., object]
) -> None:
    cgkit("run", tiny_spec, "--output", tmp_path / "source", "--set", "train.steps=1")
    settings = ["train.steps=1", "train.learning_rate=1e-9", "seed=4", f"start.from={tmp_path / 'source'}"]
    assert finished(torchrun(tiny_spec, tmp_path / "two", *settings)).count("starting from") == 1
    source, two = final(tmp_path / "source"), final(tmp_path / "two")
    weights = [name for name in source if name.startswith("model/")]
    assert [name for name in weights if not torch.allclose(source[name], two[name], rtol=0, atol=1e-6)] == []


def test_a_batch_that_cannot_be_split_evenly_is_refused(tiny_spec: Path, tmp_path: Path, torchrun: Torchrun) -> None:
    process = torchrun(tiny_spec, tmp_path / "run", "train.batch=3")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1  # torchrun's own code, whatever a process returned
    assert err.count("a batch of 3 cannot be split evenly over 2 processes") == 1
    assert not (tmp_path / "run").exists()
    with pytest.raises(SpecError):
        refuse_uneven_shares(3, 2)


def test_a_single_process_needs_no_collectives() -> None:
    tensor = torch.ones(3)
    ALONE.average([tensor])
    ALONE.share_first([tensor])
    ALONE.wait_for_all()
    assert torch.equal(ALONE.gather(tensor)[0], torch.ones(3))
    assert ALONE.hold_the_same([tensor])
    assert ALONE.stream == ()
