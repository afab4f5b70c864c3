"""Statistics of norms: accumulated piece by piece, and used for other images."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.engine.precision import Precision
from cgkit.models.inference import translation_by
from cgkit.tiling.norm_statistics import precise, statistics_of
from cgkit.tiling.norms import Moments, NormCall, apply_affine, norm_call


def test_frozen_statistics_of_an_image_reproduce_its_translation() -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=4, blocks=1, affine=True).eval()
    image, other = torch.rand(2, 1, 3, 32, 32)
    with torch.inference_mode():
        expected = generator(image)
        statistics = statistics_of(generator, [image])
        with statistics.frozen():
            assert torch.allclose(generator(image), expected, atol=1e-5)
        with statistics.frozen():
            frozen = generator(other)
        assert (frozen - generator(other)).abs().max() > 1e-3


def test_with_frozen_norms_a_value_depends_on_nearby_pixels_only() -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=4, blocks=1).eval()
    image = torch.rand(1, 3, 128, 128)
    changed = image.clone()
    changed[..., 100:] = 0
    with torch.inference_mode():
        statistics = statistics_of(generator, [image, changed])
        with statistics.frozen():
            before = generator(image)
        with statistics.frozen():
            after = generator(changed)
    assert torch.equal(before[..., :40], after[..., :40])
    assert not torch.equal(before, after)


def test_large_maps_are_normalised_precisely_in_channels_last() -> None:
    features = torch.randn(2, 3, 520, 700, generator=torch.Generator().manual_seed(0)) + 3
    weight, bias = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])
    expected = torch.group_norm(features.double(), 3, weight.double(), bias.double())
    with torch.inference_mode(), precise():
        output = torch.group_norm(features.contiguous(memory_format=torch.channels_last), 3, weight, bias)
        small = torch.group_norm(features[..., :8, :8], 3)
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert (output - expected).abs().max() < 1e-5
    assert torch.equal(small, torch.group_norm(features[..., :8, :8], 3))


def test_frozen_statistics_apply_to_large_images_too() -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=4, blocks=0, downsamplings=1).eval()
    image, other = torch.rand(2, 1, 3, 420, 420)
    translate = translation_by(generator, Precision("fp32", torch.device("cpu")), torch.channels_last)
    statistics = statistics_of(generator, [image * 2 - 1])
    with torch.inference_mode(), statistics.frozen():
        expected = (generator(other**2 * 2 - 1) + 1) / 2
    with statistics.frozen():
        assert torch.allclose(translate(other**2), expected, atol=1e-5)
    assert not torch.allclose(translate(other**2), expected, atol=1e-2)


def normalise_in_pieces(features: Tensor, pieces: list[int], call: NormCall) -> Tensor:
    moments = Moments()
    for piece in features.split(pieces, 2):
        moments.add(piece)
    return apply_affine(features, moments.scale_and_shift(call))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.sampled_from([None, 1, 2, 6]), st.integers(0, 99))
def test_pieces_of_any_size_give_the_norm_of_the_whole_map(pieces: list[int], groups: int | None, seed: int) -> None:
    pieces = [*pieces, 2]
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(1, 6, sum(pieces), 7, generator=random) * 3 + 5
    weight, bias = torch.randn(2, 6, generator=random)
    expected = F.group_norm(features.double(), groups or 6, weight.double(), bias.double())
    output = normalise_in_pieces(features, pieces, NormCall(features, groups, weight, bias, 1e-5))
    assert (output - expected).abs().max() < 1e-4


def test_a_large_mean_does_not_reduce_the_precision_of_the_variance() -> None:
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

    class RecordNorms(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, function, types, args=(), kwargs=None):
            calls.append(norm_call(function, args, kwargs or {}))
            return function(*args, **(kwargs or {}))

    features = torch.randn(1, 6, 5, 5)
    with RecordNorms():
        expected = module(features)
    (call,) = [call for call in calls if call]
    assert call.groups == groups
    assert torch.allclose(normalise_in_pieces(features, [2, 3], call), expected, atol=1e-5)


def test_a_norm_with_running_statistics_is_not_recognised() -> None:
    mean, variance = torch.zeros(3), torch.ones(3)
    assert norm_call(F.instance_norm, (torch.zeros(1, 3, 2, 2), mean, variance), {"use_input_stats": False}) is None
    assert norm_call(F.relu, (torch.zeros(1),), {}) is None
