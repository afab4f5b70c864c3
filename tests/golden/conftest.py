"""The golden data in this folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(__file__).parent


@pytest.fixture(scope="session")
def golden_tensors() -> Callable[[str], dict[str, Tensor]]:
    """Reads the tensors of a case: `golden_tensors("bce_resnet6_ngf8")["input.A"]`."""
    return lambda case: load_file(FOLDER / f"{case}.safetensors")


@pytest.fixture(scope="session")
def golden_losses() -> Callable[[str], list[dict[str, float]]]:
    """Reads the losses of a case, step by step, under their published names."""
    return lambda case: json.loads((FOLDER / f"{case}.json").read_text())["losses"]
