"""End to end: pip builds and installs a package, cgkit trains with it, and reports it once it is removed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from tests.contracts.faults.conftest import LINEAR, content

PROJECT = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [project]
    name = "cgkit-linear"
    version = "1.2"
    dependencies = ["cgkit"]

    [project.entry-points.cgkit]
    linear = "cgkit_linear"
"""


def python(*arguments: object, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key not in ("CGKIT_PLUGINS", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**inherited, "OMP_NUM_THREADS": "1", **({"PYTHONPATH": str(path)} if path else {})},
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder into which pip installed a package with one plugin."""
    pytest.importorskip("hatchling", reason="pip needs it to build a package")
    project, site = tmp_path / "project", tmp_path / "installed"
    project.mkdir()
    (project / "pyproject.toml").write_text(dedent(PROJECT))
    (project / "cgkit_linear.py").write_text(dedent(LINEAR))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check", "--target", site]
    installed = python("-m", "pip", "install", "--quiet", *options, project)
    if "No module named pip" in installed.stderr:
        pytest.skip("pip is not installed")
    assert installed.returncode == 0, installed.stderr
    return site


def test_a_package_installed_by_pip_trains_and_is_reported_once_it_is_removed(
    site: Path, spec: Callable[..., Path], tmp_path: Path
) -> None:
    file, run = spec("linear", top='requires = ["cgkit-linear >= 1"]\n'), tmp_path / "run"
    listed = python("-m", "cgkit", "list-components", path=site)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "cgkit-linear" in listed.stdout
    trained = python("-m", "cgkit", "run", file, "--output", run, path=site)
    assert trained.returncode == 0, trained.stderr
    shutil.rmtree(site)
    before = content(run)
    refused = python("-m", "cgkit", "run", file, "--output", run)
    assert refused.returncode == 4, refused.stderr
    assert (
        'spec.toml:1: requires.0: needs cgkit-linear>=1, but it is not installed; pip install "cgkit-linear>=1"'
    ) in refused.stderr
    assert "Traceback" not in refused.stderr
    assert content(run) == before
