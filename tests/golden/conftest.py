"""The golden data, where they are; a test that has none is skipped."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(os.environ.get("CGKIT_GOLDEN", Path(__file__).parent))


@pytest.fixture(scope="session")
def golden_tensors() -> Callable[[str], dict[str, Tensor]]:
    """Reads the tensors of a case: `golden_tensors("bce_resnet6_ngf8")["input.A"]`."""
    return lambda case: load_file(_golden(f"{case}.safetensors"))


@pytest.fixture(scope="session")
def golden_losses() -> Callable[[str], list[dict[str, float]]]:
    """Reads the losses of a case, step by step, under their published names."""
    return lambda case: json.loads(_golden(f"{case}.json").read_text())["losses"]


def _golden(name: str) -> Path:
    file = FOLDER / name
    if not file.exists():
        pytest.skip(f"no {name} in {FOLDER}: see tests/golden/README.md")
    return file
