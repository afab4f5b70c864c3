"""A checkpoint whose state was forged, with a manifest that fits, is refused in a sentence or trains."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result
from tests.faults.faults import copy, time_limit
from tests.faults.test_odd_values import ODD, places, put

EVERY = "CGKIT_FAULTS" in os.environ
PARTS = 4
"""In so many tests, the long form replaces each value."""

CHECKPOINT = "checkpoints/step-000000006"


def forge(checkpoint: Path, state: object) -> None:
    content = json.dumps(state).encode()
    (checkpoint / "state.json").write_bytes(content)
    manifest = json.loads((checkpoint / "MANIFEST.json").read_text())
    manifest["files"]["state.json"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (checkpoint / "MANIFEST.json").write_text(json.dumps(manifest))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS if EVERY else 1))
def test_no_value_of_a_state_is_a_surprise(
    cgkit: Callable[..., Result], intact: Path, tmp_path: Path, part: int
) -> None:
    original = json.loads((intact / "run" / CHECKPOINT / "state.json").read_text())
    tops = [place for place in places(original) if len(place) == 1]
    inner = [place for place in places(original) if len(place) > 1]
    chosen = [*tops, *inner] if EVERY else [*tops, *inner[:: len(inner) // 6]]
    for number, place in list(enumerate(chosen))[part :: PARTS if EVERY else 1]:
        run = copy(intact / "run", tmp_path / "runs" / "run")
        state = json.loads(json.dumps(original))
        odd = ODD[(7 * number) % len(ODD)]
        put(state, place, None if odd != odd else odd)  # a checkpoint with NaN counts as damaged
        forge(run / CHECKPOINT, state)
        with time_limit(60):
            result = cgkit("--no-plugins", "run", run, "--set", "train.steps=7")
        cell = f"{place} = {odd!r}: {result.code}\n{result.err}"
        assert result.code in (0, 2, 3, 4, 5, 6), cell
        assert "Traceback" not in result.err, cell
        if result.code:
            assert (run / CHECKPOINT / "state.json").is_file()
        shutil.rmtree(tmp_path / "runs")
