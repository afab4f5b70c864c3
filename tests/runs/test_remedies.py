"""What an error or a warning advises works with the next start."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from cgkit.checkpoints import list_checkpoints
from cgkit.health.data import starved
from cgkit.health.observation import Circumstances, Observation
from cgkit.health.rules import RULES
from cgkit.plugins import Plugins
from cgkit.spec.loading import load_spec
from tests.cli.test_run import assert_one_error
from tests.conftest import Result

Run = Callable[..., Result]


@pytest.fixture
def run(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> Run:
    def call(*settings: str, change: tuple[str, ...] = (), output: str = "run") -> Result:
        options = [part for text in settings for part in ("--set", text)]
        options += [part for path in change for part in ("--change", path)]
        return cgkit("run", tiny_spec, "--output", tmp_path / output, *options)

    return call


DIVERGING = """
import torch

from cgkit import hookimpl


class Fragile:
    '''A distance that is infinite if a reconstruction is far from its image, as after a step at a high rate.'''

    def __call__(self, reconstruction, target):
        distance = (reconstruction - target).abs().mean()
        return distance * torch.where(distance > 0.9, torch.inf, 1.0)


@hookimpl
def cgkit_register(registries):
    registries.reconstruction_losses.add("fragile", Fragile)
"""


@pytest.mark.parametrize(
    "settings",
    [
        ["train.learning_rate=1e-5", "train.discriminator_learning_rate=1e-5"],
        ["train.clip_gradients=1e-9", "train.learning_rate=1e-5"],
    ],
)
def test_a_diverged_run_continues_with_a_lower_rate(
    cgkit: Run, tiny_spec: Path, tmp_path: Path, settings: list[str]
) -> None:
    plugin = tmp_path / "fragile.py"
    plugin.write_text(DIVERGING)
    always = ["--plugin", plugin, "--output", tmp_path / "run", "--set", "cycle_loss.name=fragile"]
    started = cgkit("run", tiny_spec, *always, "--set", "train.steps=2", "--set", "train.learning_rate=1e-5")
    assert started.code == 0, started.err
    high = ["--set", "train.learning_rate=10", "--set", "train.steps=30"]
    diverged = cgkit("run", tiny_spec, *always, *high, "--change", "train.learning_rate")
    assert_one_error(diverged, 6, "not finite", "--change train.learning_rate")
    reached = json.loads((tmp_path / "run" / "status.json").read_text())["step"]
    assert list_checkpoints(tmp_path / "run" / "checkpoints")[-1].name == f"step-{reached:09d}"
    again = cgkit("run", tiny_spec, *always, *high)
    assert again.code == 6  # as it is the same, bit for bit
    text = [part for setting in settings for part in ("--set", setting, "--change", setting.partition("=")[0])]
    low = cgkit("run", tiny_spec, *always, *high, *text)
    assert f"at step {reached} of 30" in low.err
    assert f"changed after step {reached}: train.learning_rate from 10" in low.err


def test_a_run_that_diverged_at_once_starts_again_with_a_lower_rate(run: Run, tmp_path: Path) -> None:
    refused = run("train.learning_rate=1e-5", change=("train.learning_rate",))
    assert_one_error(refused, 2, "holds no run")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "spec.resolved.json").write_text('{"train": {"learning_rate": 10.0}}')
    assert run("train.learning_rate=1e-5", change=("train.learning_rate",)).code == 0


@pytest.mark.parametrize(
    "settings",
    [
        ["train.memory=low"],
        ["train.memory=balanced"],
        ["data.workers=1"],
        ["data.workers=0"],
        ["train.compile=false"],
        ["train.cuda_graph=false"],
    ],
)
def test_settings_against_a_lack_of_memory_need_no_change_to_be_declared(run: Run, settings: list[str]) -> None:
    assert run("train.steps=2").code == 0
    assert run(*settings).code == 0


def test_a_smaller_batch_against_a_lack_of_memory_is_accepted_with_accumulation(run: Run) -> None:
    assert run("train.steps=2").code == 0
    smaller = ("train.batch=1", "train.accumulate=2")
    refused = run(*smaller)
    flags = tuple(re.findall(r"--change (\S+)", refused.err))
    assert flags == ("train.batch", "train.accumulate")
    assert run(*smaller, change=flags).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
@pytest.mark.parametrize("remedy", ["space is freed", "fewer are kept"])
def test_after_the_disk_was_full_the_run_continues(cgkit: Run, tiny_spec: Path, tmp_path: Path, remedy: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", disk], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (disk / "ballast").write_bytes(bytes(100_000))
        options = ["--output", disk / "run", "--set", "train.steps=40", "--set", "samples.every=1000"]
        options += ["--set", "train.image_pool=0", "--set", "evaluation.count=1", "--set", "log.every=100"]
        full = cgkit("run", tiny_spec, *options, "--set", "checkpoint.keep=100")
        assert_one_error(full, 7, "free some space, or lower checkpoint.keep")
        (disk / "ballast").unlink()
        saved = list_checkpoints(disk / "run" / "checkpoints")
        if remedy == "space is freed":
            subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
            options += ["--set", "checkpoint.keep=100"]
        else:
            options += ["--set", "checkpoint.keep=1"]
        result = cgkit("run", tiny_spec, *options)
        assert f"resuming {disk / 'run'} at step {int(saved[-1].name[5:])} of 40" in result.err
        assert result.code == 0, result.err
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_folder_that_is_no_longer_in_use_continues(run: Run, tmp_path: Path) -> None:
    assert run("train.steps=2").code == 0
    with FileLock(tmp_path / "run" / ".lock"):
        assert_one_error(run(), 8, "in use", "wait", "another --output")
        assert run(output="other").code == 0
    assert run().code == 0


def test_after_all_checkpoints_are_damaged_the_run_starts_again(run: Run, tmp_path: Path) -> None:
    assert run("train.steps=2").code == 0
    for checkpoint in list_checkpoints(tmp_path / "run" / "checkpoints"):
        (checkpoint / "state.json").write_text("{")
    damaged = run()
    assert_one_error(damaged, 5, "every checkpoint is damaged", f"remove {tmp_path / 'run' / 'checkpoints'}")
    (tmp_path / "run" / "checkpoints").rename(tmp_path / "aside")
    assert run().code == 0


SICK = Observation(
    step=100,
    direction="a2b",
    agreement=-0.9,
    true_agreement=None,
    diversity=0.01,
    change=0.001,
    separation=1.0,
    remembered=1.0,
    overfitting=1.0,
)


@pytest.mark.parametrize("rule", [*RULES, "starved"])
@pytest.mark.parametrize("weak", [False, True])
def test_the_settings_that_a_warning_advises_are_accepted(
    run: Run, tiny_spec: Path, plugins: Plugins, rule: str, weak: bool
) -> None:
    """Each warning names a setting with its new value, and the option that lets a run continue with it."""
    started = ["train.steps=2", *(["objective.identity=0", "objective.cycle=0"] if weak else [])]
    assert run(*started).code == 0
    circumstances = Circumstances(load_spec(tiny_spec, plugins, started), 10**6, (12, 12), augmented=False)
    found = starved(circumstances)[0] if rule == "starved" else RULES[rule](SICK, circumstances)
    assert found is not None
    flags = tuple(re.findall(r"--change ([\w.]+)", found.advice))
    settings = [f"{path}={value}" for path, value in re.findall(r"set ([\w.]+) = ([\d.e-]*\d)", found.advice)]
    if "diff-augment" in found.advice:
        settings = ["augmentation=[{name='diff-augment'}]"]
    if "seed = " in found.advice:
        settings = re.findall(r"seed = \d+", found.advice)
        assert "another --output" in found.advice
    else:
        assert flags
    assert settings
    changed = [*started, "train.steps=4", *settings]
    assert run(*changed, change=flags, output="run" if flags else "other").code == 0, found.advice
