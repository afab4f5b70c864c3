"""Blended patches cover an image without seams."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.tiling.blended_patches import PatchwiseGenerator
from tests.tiling.in_windows import FP32, translate_in_windows


def in_patches(generator: nn.Module, image: Tensor, tile: int, *, thumbnail: bool = False) -> Tensor:
    return translate_in_windows(PatchwiseGenerator(generator.eval(), FP32, thumbnail=thumbnail), image, tile)


class Negative(nn.Module):
    stride = 4

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[-1] % 4 == images.shape[-2] % 4 == 0
        return -images


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(1, 80), columns=st.integers(1, 80), tile=st.integers(16, 200))
def test_blending_does_not_change_a_translation_of_single_pixels(rows: int, columns: int, tile: int) -> None:
    image = torch.rand(1, 3, 4 * rows, 4 * columns)
    assert torch.allclose(in_patches(Negative(), image, tile), -image, atol=1e-6)


class Brightness(nn.Module):
    """Replaces a patch by its mean."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros_like(images) + images.mean()


def test_patches_fade_into_each_other() -> None:
    image = torch.linspace(-1, 1, 512).expand(1, 3, 256, 512)
    translation = in_patches(Brightness(), image, 128)
    assert translation[..., 0].mean() < -0.5
    assert translation[..., -1].mean() > 0.5
    assert translation.diff(dim=-1).abs().max() < 0.02


@pytest.mark.parametrize("size", [(320, 320), (200, 480)])
def test_thumbnail_statistics_are_closer_to_the_whole_image_than_independent_patches(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=8, blocks=1).eval()
    image = torch.rand(1, 3, *size) * torch.linspace(0, 2, size[1]) - 1
    with torch.inference_mode():
        expected = generator(image)
    with_thumbnail, independent = (
        (in_patches(generator, image, 96, thumbnail=thumbnail) - expected).abs().mean() for thumbnail in (True, False)
    )
    assert with_thumbnail < 1e-5, "the thumbnail of an image of this size is the image itself"
    assert independent > 10 * with_thumbnail
