from __future__ import annotations

import pytest
import torch

from cgkit.engine.precision import Precision, choose_device, choose_precision, multiplies_bf16
from cgkit.errors import UsageError

CPU = torch.device("cpu")


def test_auto_is_bf16_only_if_the_hardware_multiplies_it() -> None:
    assert choose_precision("auto", CPU).name == ("bf16" if multiplies_bf16(CPU) else "fp32")


@pytest.mark.parametrize("name", ["fp64", "fp32", "bf16"])
def test_a_requested_precision_is_used(name: str) -> None:
    assert choose_precision(name, CPU).name == name


def test_only_bf16_runs_networks_under_autocast() -> None:
    layer = torch.nn.Linear(2, 2)
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with Precision(name, CPU).autocast():
            assert layer(torch.ones(1, 2)).dtype == dtype


@pytest.mark.parametrize("name", ["abacus", "cuda:999", ""])
def test_a_missing_device_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="there is no device"):
        choose_device(name)
