"""Run the benchmarks as commands, and make their modules importable: they are scripts, not part of the package."""

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
    """Run a benchmark as a command and return its JSON: `benchmark("data", "--size", 16)`."""

    def run(name: str, *options: object) -> dict[str, Any]:
        output = tmp_path / f"{name}.json"
        command = [sys.executable, str(FOLDER / f"{name}.py"), *map(str, options), "--output", str(output)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)
        assert done.returncode == 0, done.stderr[-3000:]
        document: dict[str, Any] = json.loads(output.read_text())
        assert document["title"].split()[0] in done.stdout
        assert {"processor", "cores", "torch", "python"} <= document["machine"].keys()
        return document

    return run
