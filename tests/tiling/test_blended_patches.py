"""Patches cover an image without a seam."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.engine.precision import Precision
from cgkit.tiling.blended_patches import PatchwiseGenerator
from cgkit.tiling.windows import Window

FP32 = Precision("fp32", torch.device("cpu"))


def in_patches(generator: nn.Module, image: Tensor, tile: int, *, thumbnail: bool = False) -> Tensor:
    size = (image.shape[2], image.shape[3])
    translation = torch.full_like(image, torch.nan)

    def write(window: Window, pixels: Tensor) -> None:
        place = (..., slice(window.top, window.bottom), slice(window.left, window.right))
        assert translation[place].isnan().all()
        translation[place] = pixels

    patchwise = PatchwiseGenerator(generator.eval(), FP32, thumbnail=thumbnail)
    patchwise.translate(lambda window: window.cut_out_of(Window(0, size[0], 0, size[1]), image), write, size, tile=tile)
    return translation


class Negative(nn.Module):
    stride = 4

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[-1] % 4 == images.shape[-2] % 4 == 0
        return -images


@settings(deadline=None, max_examples=40)
@given(rows=st.integers(1, 80), columns=st.integers(1, 80), tile=st.integers(16, 200))
def test_what_depends_on_nothing_else_comes_out_as_it_is(rows: int, columns: int, tile: int) -> None:
    image = torch.rand(1, 3, 4 * rows, 4 * columns)
    assert torch.allclose(in_patches(Negative(), image, tile), -image, atol=1e-6)


class Brightness(nn.Module):
    """Makes of each patch its own mean."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.zeros_like(images) + images.mean()


def test_patches_fade_into_each_other() -> None:
    image = torch.linspace(-1, 1, 512).expand(1, 3, 256, 512)
    translation = in_patches(Brightness(), image, 128)
    assert translation[..., 0].mean() < -0.5
    assert translation[..., -1].mean() > 0.5
    assert translation.diff(dim=-1).abs().max() < 0.02


@pytest.mark.parametrize("size", [(320, 320), (200, 480)])
def test_a_thumbnail_is_nearer_to_the_whole_image_than_patches_by_themselves(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=8, blocks=1).eval()
    image = torch.rand(1, 3, *size) * torch.linspace(0, 2, size[1]) - 1
    with torch.inference_mode():
        expected = generator(image)
    errors = [(in_patches(generator, image, 96, thumbnail=one) - expected).abs().mean() for one in (True, False)]
    assert errors[0] < 1e-5, "its thumbnail is the image itself"
    assert errors[1] > 10 * errors[0]
