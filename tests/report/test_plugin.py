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
from tests.conftest import RecordingReporter


class OtherPlugin:
    """A plugin that writes a note at the end of a run, and can stop the run."""

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
    """An adversarial loss that becomes infinite in the third step."""

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
    own_plugins.manager.register(OtherPlugin())
    cgkit.run(tiny_spec, output=tmp_path / "run", plugins=own_plugins)
    assert "noted at the end" in (tmp_path / "run" / "report.html").read_text()


def test_a_run_has_a_report_as_soon_as_it_has_a_sheet(tiny_spec: Path, tmp_path: Path, own_plugins: Plugins) -> None:
    other = OtherPlugin()
    own_plugins.manager.register(other)
    cgkit.run(tiny_spec, output=tmp_path / "run", plugins=own_plugins)
    # The sheet of step 1 has a report, which takes so long that the next one must wait.
    assert [bool(page) for page in other.pages] == [False, True, True, True]
    assert "Training is in progress" in other.pages[-1]
    assert other.pages[1] == other.pages[3]
    assert ">Finished</span>" in (tmp_path / "run" / "report.html").read_text()


def test_a_failing_report_warns_and_the_run_goes_on(tiny_spec: Path, tmp_path: Path, own_plugins: Plugins) -> None:
    (tmp_path / "run" / "report.html").mkdir(parents=True)
    reporter = RecordingReporter()
    outcome = cgkit.run(tiny_spec, output=tmp_path / "run", plugins=own_plugins, reporter=reporter)
    assert outcome.state == "finished"
    (warning,) = reporter.warnings
    assert "cgkit:report" in warning
    assert "report.html exists and is not a report" in warning


def test_a_diverged_run_has_a_report(tiny_spec: Path, tmp_path: Path, own_plugins: Plugins) -> None:
    own_plugins.registries.adversarial_losses.add("soon-infinite", SoonInfinite)
    override = 'adversarial_loss.name="soon-infinite"'
    with pytest.raises(DivergedError):
        cgkit.run(tiny_spec, overrides=[override], output=tmp_path / "run", plugins=own_plugins)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "A loss or a gradient became infinite or NaN." in page
    assert "_b2a = inf" in page


def test_a_stopped_run_has_a_report(tiny_spec: Path, tmp_path: Path, own_plugins: Plugins) -> None:
    own_plugins.manager.register(OtherPlugin(stop_at=2))
    outcome = cgkit.run(tiny_spec, output=tmp_path / "run", plugins=own_plugins)
    assert outcome.state == "stopped"
    page = (tmp_path / "run" / "report.html").read_text()
    assert "To resume it: cgkit run " in page
    assert "3 of 4" in page
