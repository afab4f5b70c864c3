"""Statistics that are collected piece by piece are those of the whole."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cgkit.tiling.norm_statistics import Moments, NormCall, apply_affine, norm_call


def normalised(features: Tensor, pieces: list[int], call: NormCall) -> Tensor:
    moments = Moments()
    for piece in features.split(pieces, 2):
        moments.add(piece)
    return apply_affine(features, moments.scale_and_shift(call))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.sampled_from([None, 1, 2, 6]), st.integers(0, 99))
def test_pieces_of_any_size_give_the_norm_of_the_whole(pieces: list[int], groups: int | None, seed: int) -> None:
    pieces = [*pieces, 2]
    draws = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 6, sum(pieces), 7, generator=draws) * 3 + 5
    weight, bias = torch.randn(2, 6, generator=draws)
    expected = F.group_norm(features.double(), groups or 6, weight.double(), bias.double())
    made = normalised(features, pieces, NormCall(features, groups, weight, bias, 1e-5))
    assert (made - expected).abs().max() < 1e-4


def test_a_large_mean_costs_no_digits_of_the_variance() -> None:
    features = torch.randn(1, 2, 512, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) + 1e4
    expected = 1 / features.float().double().var((2, 3), correction=0).sqrt()
    moments = Moments()
    for piece in features.float().split(100, 2):
        moments.add(piece)
    scale, _ = moments.scale_and_shift(NormCall(features, None, None, None, 0))
    assert torch.allclose(scale.flatten(), expected.flatten(), rtol=1e-5)


@pytest.mark.parametrize(
    ("module", "groups"),
    [(nn.GroupNorm(2, 6), 2), (nn.InstanceNorm2d(6), None), (nn.InstanceNorm2d(6, affine=True), None)],
)
def test_every_norm_of_one_image_is_recognised(module: nn.Module, groups: int | None) -> None:
    calls = []

    class Watch(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            calls.append(norm_call(function, args, kwargs or {}))
            return function(*args, **(kwargs or {}))

    features = torch.randn(1, 6, 5, 5)
    with Watch():
        expected = module(features)
    (call,) = [call for call in calls if call]
    assert call.groups == groups
    assert torch.allclose(normalised(features, [2, 3], call), expected, atol=1e-5)


def test_a_norm_with_running_statistics_is_none_of_them() -> None:
    mean, variance = torch.zeros(3), torch.ones(3)
    assert norm_call(F.instance_norm, (torch.zeros(1, 3, 2, 2), mean, variance), {"use_input_stats": False}) is None
    assert norm_call(F.relu, (torch.zeros(1),), {}) is None
