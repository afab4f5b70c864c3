"""What Python code sees of a run that it starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cgkit
from cgkit.errors import RunWarning, SpecError
from cgkit.plugins import Plugins

TINY: dict[str, Any] = {
    "name": "from-python",
    "data": {"source": "seasons", "size": 16, "train": 4, "test": 2},
    "generator": {"name": "resnet", "width": 2, "blocks": 1},
    "discriminator": {"name": "patch", "width": 2, "layers": 1},
    "train": {"steps": 2, "batch": 2},
}


def test_a_run_takes_a_dictionary_or_a_spec_and_says_how_it_ended(
    tmp_path: Path, plugins: Plugins, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = cgkit.run(TINY, output=tmp_path / "first", plugins=plugins)
    assert outcome.report.exists()
    assert list(outcome.samples()) == [1, 2]
    assert {score.name for score in outcome.scores} >= {"psnr"}
    assert "samples of step 2" in outcome._repr_html_()
    spec = cgkit.load_spec(tmp_path / "first" / "spec.toml", plugins)
    again = cgkit.run(spec, output=tmp_path / "second", plugins=plugins)
    assert [score.value for score in again.scores] == [score.value for score in outcome.scores]
    assert capsys.readouterr() == ("", "")


def test_overrides_apply_and_all_problems_of_a_dictionary_are_reported(tmp_path: Path, plugins: Plugins) -> None:
    outcome = cgkit.run(TINY, overrides=["train.steps=1"], output=tmp_path / "run", plugins=plugins)
    assert outcome.step == 1
    with pytest.raises(SpecError) as error:
        cgkit.run({"nam": "x", "train": {"steps": "many"}}, plugins=plugins)
    assert 'did you mean "name"' in str(error.value)
    assert "train.steps" in str(error.value)
    with pytest.raises(SpecError, match="cannot be written as TOML"):
        cgkit.run({"name": object()}, plugins=plugins)


def test_warnings_of_a_run_are_those_of_python(tmp_path: Path, plugins: Plugins) -> None:
    (tmp_path / "run" / "report.html").mkdir(parents=True)
    with pytest.warns(RunWarning, match="report"):
        cgkit.run(TINY, output=tmp_path / "run", plugins=plugins)


SCRIPT = """
import multiprocessing
import cgkit

multiprocessing.set_start_method("spawn", force=True)
spec = {"data": {"source": "folder", "a": "a", "b": "b", "size": 16, "workers": 1, "held_out": 0.5}}
spec |= {"train": {"steps": 1}, "generator": {"width": 2, "blocks": 1}, "discriminator": {"width": 2, "layers": 1}}
"""


@pytest.mark.parametrize(("guard", "code"), [("", 1), ("if __name__ == '__main__':\n    ", 0)])
def test_a_script_that_its_workers_would_start_again_says_what_to_do(
    guard: str, code: int, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        image_folder(name)
    (tmp_path / "script.py").write_text(f"{SCRIPT}{guard}cgkit.run(spec)\n")
    own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    assert ('put the call under `if __name__ == "__main__":`' in done.stderr) is bool(code)
