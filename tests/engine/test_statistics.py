"""Statistics of some images, used for others."""

from __future__ import annotations

import torch

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.engine.statistics import statistics_of


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
