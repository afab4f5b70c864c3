"""What cgkit is compared with computes what the published implementation computes."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests.golden.conftest import FOLDER
from tests.golden.test_trajectories import CASES, NAMES


@pytest.fixture
def plain() -> Any:
    from plain_cyclegan import PlainCycleGAN

    return PlainCycleGAN


@pytest.mark.parametrize(("case", "loss", "blocks"), CASES)
def test_every_loss_of_every_step_agrees_in_float64(plain: Any, case: str, loss: str, blocks: int) -> None:
    tensors = load_file(FOLDER / f"{case}.safetensors")
    model = plain(width=8, blocks=blocks, pool=0, loss=loss, dtype=torch.float64)
    networks = {"G_A": model.a2b, "G_B": model.b2a, "D_A": model.judge_b, "D_B": model.judge_a}
    for prefix, network in networks.items():
        fill(network, {name: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")})
    for number, published in enumerate(json.loads((FOLDER / f"{case}.json").read_text())["losses"]):
        losses = model.step(tensors["input.A"][number].double(), tensors["input.B"][number].double())
        assert {theirs: losses[ours] for theirs, ours in NAMES.items()} == pytest.approx(published, rel=1e-9)


@torch.no_grad()
def fill(network: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Both have the same convolutions with the same biases, in one order: that of the published numbers."""
    parameters = dict(network.named_parameters())
    assert len(parameters) == len(tensors)
    for parameter, name in zip(parameters.values(), sorted(tensors, key=position), strict=True):
        assert parameter.shape == tensors[name].shape, name
        parameter.copy_(tensors[name])


def position(name: str) -> tuple[list[int], bool]:
    numbers = [int(part) for part in name.split(".") if part.isdigit()]
    return numbers, name.endswith("bias")


def test_the_pool_shows_half_of_the_time_what_was_made_before(plain: Any) -> None:
    from plain_cyclegan import PlainPool

    pool = PlainPool(5)
    images = torch.arange(300.0).view(-1, 1, 1, 1)
    shown = torch.cat([pool.exchange(image[None]) for image in images]).flatten()
    assert torch.equal(shown[:5], images.flatten()[:5])
    older = (shown[5:] != images.flatten()[5:]).float().mean()
    assert 0.35 < older < 0.65
    assert len(pool.images) == 5
