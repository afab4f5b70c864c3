"""An image translated in tiles is the image translated whole."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.components.generators.unet import UnetGenerator
from cgkit.engine.precision import Precision
from cgkit.errors import ResourceError
from cgkit.tiling.tiled_generator import TiledGenerator, UntileableError, space_needed, tiles
from cgkit.tiling.windows import Window

FP32 = Precision("fp32", torch.device("cpu"))


class Squeezed(nn.Module):
    """Everything that is awkward: changes in place, norms that are functions, branches, groups, a pooling, a shape."""

    stride = 4

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 5, padding=2)
        self.left = nn.Conv2d(8, 8, 3, 2, 1)
        self.right = nn.Conv2d(8, 8, 1)
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.grouped = nn.GroupNorm(2, 8)
        self.last = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        height, width = images.shape[-2:]
        assert height % 4 == width % 4 == 0
        features = F.relu(self.first(images), inplace=True)
        kept = features
        features += self.right(F.instance_norm(features))
        small = self.norm(F.avg_pool2d(self.left(features), 2))
        first, second = self.grouped(F.interpolate(small, scale_factor=4.0)).chunk(2, 1)
        return self.last(torch.cat((kept, first, second.mul_(2)), 1)).tanh()


GENERATORS = {
    "resnet": lambda: ResnetGenerator(3, 3, width=4, blocks=2, affine=True),
    "resnet that resizes": lambda: ResnetGenerator(3, 3, width=4, blocks=1, upsample="resize"),
    "resnet of one size": lambda: ResnetGenerator(3, 3, width=4, blocks=1, downsamplings=0),
    "resnet without norms": lambda: ResnetGenerator(3, 3, width=4, blocks=2, norm="none"),
    "resnet with batch norms": lambda: ResnetGenerator(3, 3, width=4, blocks=1, norm="batch"),
    "unet": lambda: UnetGenerator(3, 3, width=4, depth=4, affine=True),
    "squeezed": Squeezed,
}


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    generator = GENERATORS[name]().eval()
    for parameter in generator.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_normal_(parameter)
        else:
            nn.init.normal_(parameter, 0.1, 0.3)
    return generator


def in_tiles(tiled: TiledGenerator, image: Tensor, tile: int | None) -> Tensor:
    """Every pixel of the translation is written once, every pixel of the image is there to be read."""
    translation = torch.full_like(image, torch.nan)

    def write(window: Window, pixels: Tensor) -> None:
        place = (..., slice(window.top, window.bottom), slice(window.left, window.right))
        assert translation[place].isnan().all()
        translation[place] = pixels

    tiled.translate(
        lambda window: window.cut_out_of(Window(0, image.shape[2], 0, image.shape[3]), image),
        write,
        (image.shape[2], image.shape[3]),
        tile=tile,
    )
    return translation


@pytest.mark.parametrize("name", GENERATORS)
def test_tiles_give_what_the_whole_image_gives(name: str) -> None:
    generator = made(name)
    tiled = TiledGenerator(generator, 3, FP32)
    image = torch.rand(1, 3, 160, 208) * 2 - 1
    with torch.inference_mode():
        expected = generator(image)
    assert expected.std() > 0.05
    for tile in (48, 80, None):
        assert (in_tiles(tiled, image, tile) - expected).abs().max() <= 1e-4


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_in_float64_nothing_but_rounding_is_left(name: str) -> None:
    generator = made(name).double()
    tiled = TiledGenerator(generator, 3, Precision("fp64", torch.device("cpu")))
    image = torch.rand(1, 3, 96, 128, dtype=torch.float64) * 2 - 1
    with torch.inference_mode():
        expected = generator(image)
    assert (in_tiles(tiled, image, 32) - expected).abs().max() <= 1e-11


def test_in_bf16_tiles_are_as_near_as_bf16_is() -> None:
    generator = made("resnet")
    image = torch.rand(1, 3, 96, 96) * 2 - 1
    with torch.inference_mode():
        expected = generator(image)
    tiled = TiledGenerator(generator, 3, Precision("bf16", torch.device("cpu")))
    assert (in_tiles(tiled, image, 32) - expected).abs().mean() < 0.03


def test_an_image_of_one_colour_far_from_zero_is_no_harder() -> None:
    generator = made("resnet")
    image = torch.full((1, 3, 128, 128), 0.9) + torch.randn(1, 3, 128, 128) * 1e-3
    with torch.inference_mode():
        expected = generator.double()(image.double()).float()
        generator.float()
    assert (in_tiles(TiledGenerator(generator, 3, FP32), image, 32) - expected).abs().max() <= 1e-2


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return (self.convolution(images) * images.mean((2, 3), keepdim=True)).tanh()


class Attention(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        rows = images.flatten(2).transpose(1, 2)
        seen = F.scaled_dot_product_attention(rows, rows, rows)
        return seen.transpose(1, 2).reshape(images.shape).tanh()


class Positions(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images * torch.linspace(0, 1, images.shape[-1])


class Moody(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images if images.mean() > 0 else -images


class Outer(nn.Module):
    """Depends on its surroundings through a comparison, which hides it."""

    def forward(self, images: Tensor) -> Tensor:
        wide = F.avg_pool2d(images, 31, 1, 15)
        return torch.where(wide > 0, images, -images)


@pytest.mark.parametrize("network", [Pooled, Attention, Positions, Moody, Outer])
def test_a_generator_that_cannot_be_tiled_exactly_is_refused(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    with pytest.raises(UntileableError):
        TiledGenerator(network().eval(), 3, FP32)


def test_what_needs_more_space_than_there_is_fails_before_anything_is_done() -> None:
    generator = made("resnet")
    tiled = TiledGenerator(generator, 3, FP32)
    side = 4_000_000
    with pytest.raises(ResourceError, match=r"GB are needed.*TMPDIR"):
        tiled.translate(lambda window: pytest.fail("read"), lambda window, pixels: None, (side, side))


def test_the_space_needed_is_that_of_the_features_kept_at_once() -> None:
    plan = TiledGenerator(made("resnet"), 3, FP32).plan
    # Two maps: 4 channels at full size, written while 8 at half are read.
    assert space_needed(plan, (100, 100), bytes_each=4) == 100 * 100 * 4 * (4 + 8 // 4)


def test_no_file_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    in_tiles(TiledGenerator(made("resnet"), 3, FP32), torch.rand(1, 3, 64, 64), 32)
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    alignment=st.integers(1, 8),
    side=st.integers(1, 64),
)
def test_windows_cover_an_image_once_and_begin_where_they_may(
    rows: int, columns: int, alignment: int, side: int
) -> None:
    size = (rows * alignment, columns * alignment)
    covered = torch.zeros(size, dtype=torch.int)
    for window in tiles(size, side, alignment):
        assert window.top % alignment == window.left % alignment == 0
        assert 0 < window.height <= max(side, alignment) + alignment
        covered[window.top : window.bottom, window.left : window.right] += 1
    assert (covered == 1).all()
