"""Imports point one way: the contracts in pyproject.toml hold, and each of them detects violations."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cgkit

pytest.importorskip("importlinter")

ROOT = Path(cgkit.__file__).parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache", "--config", "pyproject.toml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "cgkit", folder / "cgkit", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_imports_point_one_way():
    finished = lint(ROOT)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize(
    ("module", "statement", "contract"),
    [
        ("spec/model.py", "import cgkit.runs.run", "Imports point one way"),
        ("engine/pool.py", "from cgkit.cli import console", "Imports point one way"),
        ("data/later.py", "def later():\n    from cgkit.engine import precision", "Imports point one way"),
        ("errors.py", "if TYPE_CHECKING:\n    from cgkit.runs.run import Run", "Imports point one way"),
        ("elsewhere.py", "", "Imports point one way"),
        ("components/metrics/odd.py", "from cgkit.registry import Registry", "A component knows"),
        ("components/metrics/odd.py", "from cgkit.images import reading", "A component knows"),
        ("checkpoints/odd.py", "from cgkit.spec import Spec", "Reading images and keeping checkpoints"),
    ],
)
def test_a_forbidden_import_or_a_module_without_a_layer_breaks_its_contract(copied, module, statement, contract):
    file = copied / "cgkit" / module
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\n{statement}\n")
    finished = lint(copied)
    if before is None:
        file.unlink()
    else:
        file.write_text(before)
    assert finished.returncode == 1
    broken = [line for line in finished.stdout.splitlines() if line.endswith("BROKEN")]
    assert any(line.startswith(contract) for line in broken), finished.stdout
