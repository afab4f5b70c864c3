"""The benchmarks are scripts beside the package: their modules are imported as they import each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"

Benchmark = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    """Runs a benchmark as a user does, and returns what it wrote: `benchmark("data", "--size", 16)`."""

    def run(name: str, *options: object) -> dict[str, Any]:
        output = tmp_path / f"{name}.json"
        command = [sys.executable, str(FOLDER / f"{name}.py"), *map(str, options), "--output", str(output)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)
        assert done.returncode == 0, done.stderr[-3000:]
        found: dict[str, Any] = json.loads(output.read_text())
        assert found["title"].split()[0] in done.stdout
        assert {"processor", "cores", "torch", "python"} <= found["machine"].keys()
        return found

    return run
