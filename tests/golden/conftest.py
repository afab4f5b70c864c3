"""The golden data in this folder."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from torch import Tensor

from . import start


@pytest.fixture(scope="session")
def golden_tensors() -> Callable[[str], dict[str, Tensor]]:
    """Reads the tensors of a case: `golden_tensors("bce_resnet6_ngf8")["input.A"]`."""
    return start.golden_tensors


@pytest.fixture(scope="session")
def golden_losses() -> Callable[[str], list[dict[str, float]]]:
    """Reads the losses of a case, step by step, under their published names."""
    return lambda case: json.loads((start.FOLDER / f"{case}.json").read_text())["losses"]
