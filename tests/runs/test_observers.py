"""Trackers and run hooks observe a run; none of them stops it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

import cgkit
from cgkit.errors import DivergedError
from cgkit.hookspecs import RunView
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.observers import ObserverThread, StalledError
from cgkit.runs.start import run
from tests.conftest import RecordingReporter


class Stalling:
    """A tracker whose server does not answer."""

    def __init__(self, folder: Path) -> None:
        self.closed = False

    def record(self, step: int, values: object) -> None:
        threading.Event().wait()

    def rewind(self, step: int) -> None:
        pass

    def close(self) -> None:
        raise AssertionError("an observer that stalled is not called again")


class Observer:
    """A plugin that calls a function after each step."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.calls: list[int] = []
        self.threads: set[str] = set()
        self._act = act

    @cgkit.hookimpl
    def cgkit_step_finished(self, step: int) -> None:
        self.calls.append(step)
        self.threads.add(threading.current_thread().name)
        self._act()


@pytest.fixture
def observed(tiny_spec: Path, tmp_path: Path) -> Callable[..., list[str]]:
    """Train with plugins that observe; return the warnings."""

    def train(*observers: Observer, tracker: str | None = None) -> list[str]:
        plugins: Plugins = load_plugins(installed=False)
        plugins.registries.trackers.add("stalling", Stalling)
        for number, observer in enumerate(observers):
            plugins.manager.register(observer, f"observer-{number}")
        overrides = ["log.patience=0.5", "log.every=1"] + ([f'tracker=[{{name = "{tracker}"}}]'] if tracker else [])
        heard = RecordingReporter()
        outcome = run(tiny_spec, output=tmp_path / "run", plugins=plugins, reporter=heard, overrides=overrides)
        assert outcome.state == "finished"
        return heard.warnings

    return train


def test_a_hook_that_never_returns_is_set_aside_and_the_run_goes_on(observed: Callable[..., list[str]]) -> None:
    stalling, watching = Observer(threading.Event().wait), Observer(lambda: None)
    assert observed(stalling, watching) == [
        "plugin observer-0, in cgkit_step_finished, did not return within 0.5 seconds; it is not called again"
    ]
    assert stalling.calls == [1]
    assert watching.calls == [1, 2, 3, 4]


def test_a_tracker_that_never_returns_is_set_aside_and_the_others_record(
    observed: Callable[..., list[str]], tmp_path: Path
) -> None:
    assert observed(tracker="stalling") == [
        "tracker stalling, in record, did not return within 0.5 seconds; it is not called again"
    ]
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) >= 4


def test_a_hook_cannot_exit_the_program(observed: Callable[..., list[str]]) -> None:
    def leave() -> None:
        raise SystemExit(3)

    assert observed(Observer(leave)) == [
        "plugin observer-0, in cgkit_step_finished, failed: SystemExit: 3; it is not called again"
    ]


def test_an_observer_is_always_called_from_one_thread(observed: Callable[..., list[str]]) -> None:
    first, second = Observer(lambda: None), Observer(lambda: None)
    assert observed(first, second) == []
    assert first.threads == {"plugin observer-0"}
    assert second.threads == {"plugin observer-1"}


def test_a_timeout_inside_an_observer_is_its_own_error() -> None:
    def fail() -> None:
        raise TimeoutError("the server did not answer")

    with pytest.raises(TimeoutError, match="the server did not answer"):
        ObserverThread("test").call(fail, 10)
    with pytest.raises(StalledError, match=r"did not return within 0\.1 seconds"):
        ObserverThread("test").call(threading.Event().wait, 0.1)


class Watching:
    """A tracker that notes everything that it can see of a run."""

    def __init__(self, folder: Path) -> None:
        self.notes: list[object] = []
        WATCHED.append(self.notes)

    def start(self, run: RunView) -> None:
        self.run = run
        self.notes.append(("start", run.spec.name, run.step))

    def rewind(self, step: int) -> None:
        self.notes.append(("rewind", step))

    def record(self, step: int, values: object) -> None:
        pass

    def samples(self, step: int, file: Path) -> None:
        self.notes.append(("samples", step, file.name, file.is_file()))

    def checkpoint(self, step: int, folder: Path) -> None:
        self.notes.append(("checkpoint", step, folder.is_dir()))

    def finish(self, error: BaseException | None) -> None:
        self.notes.append(("finish", self.run.folder.status()["state"], type(error).__name__))

    def close(self) -> None:
        self.notes.append("close")


WATCHED: list[list[object]] = []


def test_a_tracker_sees_the_spec_the_samples_the_checkpoints_and_the_end(tiny_spec: Path, tmp_path: Path) -> None:
    plugins = load_plugins(installed=False)
    plugins.registries.trackers.add("watching", Watching)
    overrides = ['tracker=[{name = "watching"}]', "checkpoint.every=2"]
    run(tiny_spec, output=tmp_path / "run", plugins=plugins, overrides=[*overrides, "train.steps=2"])
    assert WATCHED.pop() == [
        ("start", "tiny", 0),
        ("rewind", 0),
        ("samples", 1, "step-000001.png", True),
        ("samples", 2, "step-000002.png", True),
        ("checkpoint", 2, True),
        ("finish", "finished", "NoneType"),
        "close",
    ]
    run(tiny_spec, output=tmp_path / "run", plugins=plugins, overrides=overrides)
    resumed = WATCHED.pop()
    assert resumed[:2] == [("start", "tiny", 2), ("rewind", 2)]
    assert resumed[-2:] == [("finish", "finished", "NoneType"), "close"]


def test_a_tracker_sees_the_error_of_a_failed_run(tiny_spec: Path, tmp_path: Path) -> None:
    plugins = load_plugins(installed=False)
    plugins.registries.trackers.add("watching", Watching)
    plugins.registries.reconstruction_losses.add("infinite-later", InfiniteLater)
    overrides = ['tracker=[{name = "watching"}]', "cycle_loss.name=infinite-later"]
    with pytest.raises(DivergedError):
        run(tiny_spec, output=tmp_path / "run", plugins=plugins, overrides=overrides)
    assert WATCHED.pop()[-2:] == [("finish", "diverged", "DivergedError"), "close"]


class InfiniteLater:
    """A loss that is infinite from the second step on."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        self.calls += 1
        return (reconstruction - target).abs().mean() / (1 if self.calls < 5 else 0)


HOOKS = """
import cgkit

@cgkit.hookimpl
def cgkit_run_started(run):
    pass

@cgkit.hookimpl
def cgkit_run_finished(run):
    pass
"""


def test_a_process_with_observers_exits_cleanly(
    tiny_spec: Path, tmp_path: Path, cgkit_process: Callable[..., subprocess.Popen[str]]
) -> None:
    plugin = tmp_path / "hooks.py"
    plugin.write_text(HOOKS)
    for number in range(2):
        process = cgkit_process("run", tiny_spec, "--output", tmp_path / f"run-{number}", "--plugin", plugin)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
