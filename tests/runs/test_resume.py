"""A run that was stopped or killed resumes bit for bit."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cgkit.checkpoints import list_checkpoints
from cgkit.plugins import Plugins
from cgkit.runs.start import run

# Everything that could make a resumed run differ: dropout, the pool, a moving average, augmentation on both sides,
# accumulation, a schedule that changes every step.
EVENTFUL = """
name = "eventful"
seed = 11

[data]
size = 16
{data}

[generator]
name = "resnet"
width = 4
blocks = 1
dropout = 0.5

[discriminator]
name = "patch"
width = 4
layers = 1

[[augmentation]]
name = "resize-and-crop"

[[augmentation]]
name = "flip"

[[augmentation]]
name = "colour-jitter"

[[augmentation]]
name = "diff-augment"

[train]
steps = 24
batch = 2
accumulate = 2
image_pool = 5
ema = 0.9
precision = "fp32"

[schedule]
name = "cosine"

[checkpoint]
every = 5
keep = 2

[log]
every = 4

[samples]
every = 24
count = 1

[evaluation]
count = 2
"""
SEASONS = 'source = "seasons"\ntrain = 7\ntest = 2'


def final_tensors(folder: Path) -> dict[str, torch.Tensor]:
    newest = list_checkpoints(folder / "checkpoints")[-1]
    return {
        f"{file.stem}/{name}": tensor
        for file in sorted(newest.glob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


def final_step(folder: Path) -> str:
    return list_checkpoints(folder / "checkpoints")[-1].name


def recorded(folder: Path) -> list[dict[str, float]]:
    """Return the recorded numbers that do not depend on the clock."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("images_per_second", "waiting", "time")} for line in lines]


def assert_same_run(folder: Path, reference: Path) -> None:
    assert final_step(folder) == final_step(reference)
    tensors, expected = final_tensors(folder), final_tensors(reference)
    assert tensors.keys() == expected.keys()
    assert {name.split("/")[0] for name in expected} == {"model", "ema", "optimizer", "pool"}
    different = [name for name in expected if not torch.equal(tensors[name], expected[name])]
    assert not different
    assert recorded(folder) == recorded(reference)


BOTH = pytest.mark.parametrize("eventful", ["no workers", "two workers"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def eventful(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An eventful spec on rendered images without workers, or on image files with two."""
    folder = tmp_path_factory.mktemp("eventful")
    data = SEASONS
    if getattr(request, "param", "") == "two workers":
        data = 'source = "folder"\na = "a"\nb = "b"\naligned = true\ntest_a = "a"\ntest_b = "a2"\nworkers = 2'
        for name, count in (("a", 5), ("b", 7), ("a2", 5)):
            (folder / name).mkdir()
            for number in range(count):
                pixels = np.random.default_rng([number, *name.encode()]).integers(0, 256, (20, 24, 3), np.uint8)
                Image.fromarray(pixels).save(folder / name / f"{number}.png")
    (folder / "spec.toml").write_text(EVENTFUL.format(data=data))
    return folder / "spec.toml"


@pytest.fixture(scope="module")
def uninterrupted(eventful: Path) -> Path:
    torch.set_num_threads(1)
    return run(eventful, output=eventful.parent / "uninterrupted").folder


@BOTH
@pytest.mark.parametrize("seed", range(3))
def test_a_run_killed_at_a_random_moment_resumes_bit_for_bit(
    eventful: Path, uninterrupted: Path, tmp_path: Path, seed: int, forked_run: Callable[..., int]
) -> None:
    folder = tmp_path / "run"
    process = forked_run(eventful, folder)
    deadline = time.monotonic() + 60
    while not list_checkpoints(folder / "checkpoints"):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(random.Random(seed).uniform(0, 0.4))
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    run(eventful, output=folder)
    assert_same_run(folder, uninterrupted)


def test_an_extended_run_equals_one_that_was_long_from_the_start(tmp_path: Path, eventful: Path) -> None:
    # With a schedule that looks at the whole length, only a constant one can be extended without a difference.
    overrides = ["schedule.name=constant"]
    long = run(eventful, overrides=overrides, output=tmp_path / "long").folder
    run(eventful, overrides=[*overrides, "train.steps=11"], output=tmp_path / "extended")
    extended = run(eventful, overrides=overrides, output=tmp_path / "extended").folder
    tensors, expected = final_tensors(extended), final_tensors(long)
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_a_run_in_parts_stops_where_it_is_told_and_equals_one_in_one_part(
    tmp_path: Path, eventful: Path, uninterrupted: Path
) -> None:
    folder = tmp_path / "run"
    for until, step in ((7, 7), (7, 7), (3, 7), (16, 16)):
        outcome = run(eventful, output=folder, until=until)
        assert (outcome.state, outcome.step) == ("stopped", step)
        assert final_step(folder) == f"step-{step:09d}"
    assert run(eventful, output=folder, until=24).state == "finished"
    assert_same_run(folder, uninterrupted)


def test_saving_more_often_changes_nothing(eventful: Path, uninterrupted: Path, tmp_path: Path) -> None:
    overrides = ["checkpoint.every=1", "samples.every=3", "evaluation.every=7"]
    folder = run(eventful, overrides=overrides, output=tmp_path / "run").folder
    tensors, expected = final_tensors(folder), final_tensors(uninterrupted)
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


def test_the_number_of_workers_changes_nothing(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    a, b = image_folder("a", 5), image_folder("b", 7)
    spec = tmp_path / "spec.toml"
    spec.write_text(EVENTFUL.format(data=f'source = "folder"\na = "{a.name}"\nb = "{b.name}"'))
    folders = []
    for workers in (0, 1, 2):
        overrides = [f"data.workers={workers}", "train.steps=7"]
        folders.append(run(spec, overrides=overrides, output=tmp_path / f"workers-{workers}").folder)
    for folder in folders[1:]:
        assert_same_run(folder, folders[0])


def test_workers_may_change_on_resume(tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    a, b = image_folder("a", 5), image_folder("b", 7)
    spec = tmp_path / "spec.toml"
    spec.write_text(
        EVENTFUL.format(data=f'source = "folder"\na = "{a.name}"\nb = "{b.name}"').replace("cosine", "constant")
    )
    whole = run(spec, overrides=["train.steps=6", "data.workers=0"], output=tmp_path / "whole").folder
    run(spec, overrides=["train.steps=3", "data.workers=2"], output=tmp_path / "parts")
    parts = run(spec, overrides=["train.steps=6", "data.workers=0"], output=tmp_path / "parts").folder
    tensors, expected = final_tensors(parts), final_tensors(whole)
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)


@BOTH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_on_a_signal_the_step_finishes_and_the_run_saves_and_exits_with_75(
    eventful: Path,
    tmp_path: Path,
    number: signal.Signals,
    cgkit_process: Callable[..., subprocess.Popen[str]],
) -> None:
    folder = tmp_path / "run"
    steps = ["--set", "train.steps=100000"]
    process = cgkit_process("run", eventful, "--output", folder, *steps, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list_checkpoints(folder / "checkpoints"):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, number)  # terminals and schedulers signal the loader's workers too
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75
    assert f"to continue: cgkit run {folder}" in errors
    status = json.loads((folder / "status.json").read_text())
    assert status["state"] == "stopped"
    assert status["exit_code"] == 75
    assert final_step(folder) == f"step-{status['step']:09d}"


def test_a_damaged_checkpoint_is_skipped_for_the_one_before(
    eventful: Path, uninterrupted: Path, tmp_path: Path, cgkit: Callable[..., object]
) -> None:
    folder = tmp_path / "run"
    run(eventful, output=folder)
    newest = list_checkpoints(folder / "checkpoints")[-1]
    content = bytearray((newest / "model.safetensors").read_bytes())
    content[-5] ^= 1
    (newest / "model.safetensors").write_bytes(content)
    result = cgkit("run", eventful, "--output", folder)
    assert result.code == 0
    assert "model.safetensors" in result.err
    assert_same_run(folder, uninterrupted)


def test_a_run_without_a_valid_checkpoint_is_refused(
    tiny_spec: Path, tmp_path: Path, plugins: Plugins, cgkit: Callable[..., object]
) -> None:
    folder = tmp_path / "run"
    run(tiny_spec, output=folder, plugins=plugins)
    for checkpoint in list_checkpoints(folder / "checkpoints"):
        (checkpoint / "optimizer.safetensors").write_bytes(b"")
    result = cgkit("run", tiny_spec, "--output", folder)
    assert result.code == 5
    assert "optimizer.safetensors" in result.err
