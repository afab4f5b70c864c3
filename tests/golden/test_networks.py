"""The networks compute what the published networks compute from the same weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from cgkit.components.discriminators.patch import PatchDiscriminator
from cgkit.components.generators.resnet import ResnetGenerator

from .published import load_published

CASES = [("lsgan_resnet9_ngf8", 9), ("bce_resnet6_ngf8", 6)]
PASSES = [
    ("G_A", "input.A", "output.fake_B"),
    ("G_B", "input.B", "output.fake_A"),
    ("D_A", "input.B", "output.pred_D_A_of_B"),
]


@pytest.mark.parametrize(("case", "blocks"), CASES)
@pytest.mark.parametrize(("name", "given", "expected"), PASSES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_network_gives_the_published_output(
    golden_tensors: Callable[[str], dict[str, Tensor]],
    case: str,
    blocks: int,
    name: str,
    given: str,
    expected: str,
    dtype: torch.dtype,
    tolerance: float,
    layout: torch.memory_format,
) -> None:
    tensors = golden_tensors(case)
    network: nn.Module
    network = ResnetGenerator(3, 3, width=8, blocks=blocks) if name[0] == "G" else PatchDiscriminator(3, width=8)
    network.to(dtype=dtype, memory_format=layout)
    prefix = f"{name}."
    load_published(network, {key.removeprefix(prefix): tensors[key] for key in tensors if key.startswith(prefix)})
    with torch.no_grad():
        made = network(tensors[given][0].to(dtype=dtype, memory_format=layout))
    assert made.shape == tensors[expected].shape
    assert float((made - tensors[expected]).abs().max()) <= tolerance
