"""A run whose folder is renamed or removed while it trains ends with a sentence, and makes no new folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

PLUGIN = """
import shutil
import cgkit

@cgkit.hookimpl
def cgkit_step_finished(run, step, losses):
    if step == 3 and {act!r} == "rename":
        run.folder.path.rename(run.folder.path.with_name("elsewhere"))
    elif step == 3:
        shutil.rmtree(run.folder.path)
"""


@pytest.mark.parametrize("act", ["rename", "remove"])
def test_a_folder_that_is_gone_ends_the_run(
    cgkit: Callable[..., Result], tiny_spec: Path, tmp_path: Path, act: str
) -> None:
    plugin, run = tmp_path / "mover.py", tmp_path / "run"
    plugin.write_text(PLUGIN.format(act=act))
    result = cgkit("--plugin", plugin, "run", tiny_spec, "--output", run)
    assert result.code == 7, result.err
    assert f"error: {run} was renamed or removed while the run trained" in result.err
    assert "Traceback" not in result.err
    assert not run.exists()
    if act == "rename":
        plugin.write_text("")
        continued = cgkit("run", tmp_path / "elsewhere")
        assert continued.code == 0, continued.err
        assert "at step 2 of 4" in continued.err
