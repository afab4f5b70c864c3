from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path

import pytest
from torch import Tensor

import cgkit
from cgkit.components.adversarial_losses.least_squares import LeastSquaresLoss
from cgkit.errors import DivergedError
from cgkit.plugins import Plugins, load_plugins
from cgkit.report import plugin
from cgkit.runs.reporter import Silence


class Warned(Silence):
    """A reporter that remembers what it was warned of."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


class Colleague:
    """A plugin that adds to the run folder at the end of a run, or asks for its end."""

    def __init__(self, *, stop_at: int = -1) -> None:
        self.stop_at = stop_at
        self.pages: list[str] = []

    @cgkit.hookimpl
    def cgkit_step_finished(self, run, step):
        page = run.folder.path / "report.html"
        self.pages.append(page.read_text() if page.exists() else "")
        if step == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)

    @cgkit.hookimpl
    def cgkit_run_finished(self, run):
        note = {"step": 4, "rule": "late", "direction": None, "message": "noted at the end", "advice": ""}
        (run.folder.path / "health.jsonl").write_text(json.dumps(note))


class SoonInfinite(LeastSquaresLoss):
    """An adversarial loss that is infinite from the third step on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def generator_loss(self, fake_logits: Tensor) -> Tensor:
        self.calls += 1
        return super().generator_loss(fake_logits) * (math.inf if self.calls > 4 else 1)


@pytest.fixture
def own_plugins() -> Plugins:
    return load_plugins(installed=False)


def test_the_report_holds_what_other_plugins_leave_at_the_end(
    tiny_spec: Path, tmp_path: Path, own_plugins: Plugins
) -> None:
    own_plugins.manager.register(Colleague())
    cgkit.run(tiny_spec, output=tmp_path / "run", plugins=own_plugins)
    assert "noted at the end" in (tmp_path / "run" / "report.html").read_text()


def test_a_long_run_has_a_report_before_its_end(
    tiny_spec: Path, tmp_path: Path, own_plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "FIRST_AFTER", 0.0)
    colleague = Colleague()
    own_plugins.manager.register(colleague)
    cgkit.run(tiny_spec, output=tmp_path / "run", plugins=own_plugins)
    # A checkpoint is saved at step 2; the report takes far longer than these steps, so the next one has to wait.
    assert [bool(page) for page in colleague.pages] == [False, False, True, True]
    assert "It is being trained" in colleague.pages[-1]
    assert colleague.pages[2] == colleague.pages[3]
    assert "Training went to its end." in (tmp_path / "run" / "report.html").read_text()


def test_a_short_run_has_one_at_its_end_alone(tiny_spec: Path, tmp_path: Path, own_plugins: Plugins) -> None:
    colleague = Colleague()
    own_plugins.manager.register(colleague)
    for folder in ("one", "two"):
        cgkit.run(tiny_spec, output=tmp_path / folder, plugins=own_plugins)
        assert (tmp_path / folder / "report.html").exists()
    assert set(colleague.pages) == {""}


def test_a_report_that_fails_is_told_and_fails_no_run(tiny_spec: Path, tmp_path: Path, own_plugins: Plugins) -> None:
    (tmp_path / "run" / "report.html").mkdir(parents=True)
    reporter = Warned()
    outcome = cgkit.run(tiny_spec, output=tmp_path / "run", plugins=own_plugins, reporter=reporter)
    assert outcome.state == "finished"
    (warning,) = reporter.warnings
    assert "cgkit:report" in warning
    assert "report.html exists and is no report" in warning


def test_a_run_that_diverges_has_a_report(tiny_spec: Path, tmp_path: Path, own_plugins: Plugins) -> None:
    own_plugins.registries.adversarial_losses.add("soon-infinite", SoonInfinite)
    override = 'adversarial_loss.name="soon-infinite"'
    with pytest.raises(DivergedError):
        cgkit.run(tiny_spec, overrides=[override], output=tmp_path / "run", plugins=own_plugins)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "A loss or a gradient was no longer finite." in page
    assert "_b2a = inf" in page


def test_a_run_that_is_stopped_has_a_report(tiny_spec: Path, tmp_path: Path, own_plugins: Plugins) -> None:
    own_plugins.manager.register(Colleague(stop_at=2))
    outcome = cgkit.run(tiny_spec, output=tmp_path / "run", plugins=own_plugins)
    assert outcome.state == "stopped"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "the same command continues it" in page
    assert "3 of 4" in page
