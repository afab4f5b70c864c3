"""Statistics of some images, used for others."""

from __future__ import annotations

import torch

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.engine.precision import Precision
from cgkit.models.inference import translation_by
from cgkit.tiling.norm_statistics import precise, statistics_of


def test_the_statistics_of_an_image_give_its_own_translation() -> None:
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


def test_frozen_norms_see_no_more_than_their_surroundings() -> None:
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


def test_a_large_map_is_normalised_as_precisely_in_channels_last() -> None:
    features = torch.randn(2, 3, 520, 700, generator=torch.Generator().manual_seed(0)) + 3
    weight, bias = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, -1.0]])
    expected = torch.group_norm(features.double(), 3, weight.double(), bias.double())
    with torch.inference_mode(), precise():
        made = torch.group_norm(features.contiguous(memory_format=torch.channels_last), 3, weight, bias)
        small = torch.group_norm(features[..., :8, :8], 3)
    assert made.is_contiguous(memory_format=torch.channels_last)
    assert (made - expected).abs().max() < 1e-5
    assert torch.equal(small, torch.group_norm(features[..., :8, :8], 3))


def test_frozen_statistics_hold_for_large_images_as_well() -> None:
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
