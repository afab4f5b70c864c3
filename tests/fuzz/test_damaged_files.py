"""Damaged files of every kind are read or refused, without a surprise.

The short form reads some files of each kind; `make fuzz` reads as many as it can in `CGKIT_FUZZ` seconds each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import ROOT, TARGETS

KEPT = ROOT / "fuzzed"
"""Where the long form puts its counts, and both forms the files that they did not expect."""
LONG = float(os.environ.get("CGKIT_FUZZ", "0"))
SHORT, SHORT_WITH_PROCESSES = 300, 2
"""How many files the short form reads; fewer if each takes a process."""


@pytest.mark.slow
@pytest.mark.timeout(max(300, 2 * LONG))
@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_or_refused(name: str, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    count = 10**9 if LONG else SHORT_WITH_PROCESSES if TARGETS[name].starts_a_process else SHORT
    seed = int.from_bytes(os.urandom(4)) if LONG else 0
    worker = [sys.executable, "-m", "tests.fuzz.worker", name, str(seed), str(LONG or 120), str(count)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(worker, cwd=work, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr, keep(work / "last", name, seed))
    outcome = json.loads(done.stdout.splitlines()[-1])
    if LONG:
        KEPT.mkdir(exist_ok=True)
        (KEPT / f"{name}.json").write_text(json.dumps(outcome))
    assert outcome["problems"] == {}, [keep(file, name, seed) for file in sorted(work.glob("problem-*"))]
    assert outcome["intact"]
    assert outcome["done"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["work"]


def keep(file: Path, name: str, seed: int) -> str:
    """Move a file that surprised its reader to `fuzzed/`, and return where it is."""
    KEPT.mkdir(exist_ok=True)
    target = KEPT / f"{name}-{seed}-{file.name}"
    target.write_bytes(file.read_bytes())
    return str(target)
