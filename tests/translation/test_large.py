"""A translator gives large images tiles, where that is wanted or needed."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.engine.model_folder import ModelInfo
from cgkit.engine.precision import Precision
from cgkit.errors import UsageError
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec
from cgkit.translation.large import LargeImages, Tiling
from cgkit.translation.translator import Translator

FP32 = Precision("fp32", torch.device("cpu"))


def translator(generator: nn.Module, tiling: Tiling) -> Translator:
    spec = resolve_spec({"data": {"source": "seasons", "size": 16}}, load_plugins(installed=False))
    return Translator(generator, ModelInfo(spec, 0, False), "a2b", FP32, tiling)


class Whole(nn.Module):
    """Sees the whole image in every value."""

    def forward(self, images: Tensor) -> Tensor:
        return (images - images.mean()).tanh()


@pytest.mark.parametrize("size", [(97, 131), (64, 64), (16, 200), (5, 300)])
def test_tiles_of_an_image_of_any_size_give_what_the_whole_image_gives(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=4, blocks=1)
    image = torch.rand(2, 3, *size)
    expected = translator(generator, Tiling("never"))(image)
    assert (translator(generator, Tiling(32))(image) - expected).abs().max() <= 1e-4


@pytest.mark.parametrize("method", ["thumbnail", "independent"])
def test_approximations_are_near(method: Any) -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=4, blocks=1)
    image = torch.rand(3, 90, 150)
    expected = translator(generator, Tiling("never"))(image)
    assert 0 < (translator(generator, Tiling(64, method))(image) - expected).abs().mean() < 0.05


def test_images_are_tiled_where_their_features_would_take_much_memory() -> None:
    generator = ResnetGenerator(3, 3, width=64, blocks=1, downsamplings=1).eval()
    large = LargeImages(generator, 3, FP32, Tiling())
    assert not large.wanted(1000, 1000)
    assert not large.wanted(1200, 1200)
    assert large.wanted(4000, 6000)
    assert not LargeImages(generator, 3, FP32, Tiling("never")).wanted(4000, 6000)
    assert LargeImages(generator, 3, FP32, Tiling(64)).wanted(10, 10)


def test_a_generator_that_sees_the_whole_image_gets_it_unless_tiles_are_asked_for() -> None:
    assert not LargeImages(Whole().eval(), 3, FP32, Tiling()).wanted(4000, 6000)
    assert LargeImages(Whole().eval(), 3, FP32, Tiling("auto", "thumbnail")).wanted(4000, 6000)
    with pytest.raises(UsageError, match=r"result of the whole image.*thumbnail"):
        translator(Whole(), Tiling(32))(torch.rand(3, 64, 64))
