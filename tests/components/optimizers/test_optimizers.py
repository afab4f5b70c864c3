"""The built-in optimisers are torch's, with the options of the spec."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cgkit.components.optimizers.adam import adam
from cgkit.components.optimizers.adamw import adamw


def trained(optimizer: torch.optim.Optimizer, parameter: nn.Parameter) -> list[float]:
    for gradient in (1.0, -2.0, 0.5):
        parameter.grad = torch.tensor([gradient])
        optimizer.step()
    return parameter.tolist()


@pytest.mark.parametrize(("decay", "ours", "torchs"), [(0.0, adam, torch.optim.Adam), (0.1, adamw, torch.optim.AdamW)])
def test_steps_are_those_of_torch(decay: float, ours: object, torchs: object) -> None:
    one, other = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
    expected = trained(torchs([one], lr=0.01, betas=(0.5, 0.9), weight_decay=decay), one)  # type: ignore[operator]
    found = trained(ours([other], 0.01, betas=(0.5, 0.9), weight_decay=decay), other)  # type: ignore[operator]
    assert found == pytest.approx(expected, rel=1e-6)


def test_adam_has_the_published_decay_rates_and_adamw_decays() -> None:
    parameter = nn.Parameter(torch.ones(1))
    assert adam([parameter], 1e-4).param_groups[0]["betas"] == (0.5, 0.999)
    assert adam([parameter], 1e-4).param_groups[0]["weight_decay"] == 0
    assert adamw([parameter], 1e-4).param_groups[0]["weight_decay"] == 0.01
