"""Exact tiles give the same result as translating the whole image."""

from __future__ import annotations

import subprocess
import sys
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
from cgkit.tiling.tiled_generator import TiledGenerator, UntileableError, space_needed
from cgkit.tiling.windows import tiles
from tests.tiling.in_windows import FP32, translate_in_windows


class Difficult(nn.Module):
    """A network with in-place steps, functional norms, branches, groups, pooling, and a use of the shape."""

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
        skip = features
        features += self.right(F.instance_norm(features))
        small = self.norm(F.avg_pool2d(self.left(features), 2))
        first, second = self.grouped(F.interpolate(small, scale_factor=4.0)).chunk(2, 1)
        return self.last(torch.cat((skip, first, second.mul_(2)), 1)).tanh()


GENERATORS = {
    "resnet": lambda: ResnetGenerator(3, 3, width=4, blocks=2, affine=True),
    "resnet with resizing": lambda: ResnetGenerator(3, 3, width=4, blocks=1, upsample="resize"),
    "resnet without downsampling": lambda: ResnetGenerator(3, 3, width=4, blocks=1, downsamplings=0),
    "resnet without norms": lambda: ResnetGenerator(3, 3, width=4, blocks=2, norm="none"),
    "resnet with batch norms": lambda: ResnetGenerator(3, 3, width=4, blocks=1, norm="batch"),
    "unet": lambda: UnetGenerator(3, 3, width=4, depth=4, affine=True),
    "difficult": Difficult,
}


def make_generator(name: str) -> nn.Module:
    torch.manual_seed(0)
    generator = GENERATORS[name]().eval()
    for parameter in generator.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_normal_(parameter)
        else:
            nn.init.normal_(parameter, 0.1, 0.3)
    return generator


def translate_whole(generator: nn.Module, image: Tensor) -> Tensor:
    with torch.inference_mode():
        return generator(image)


@pytest.mark.parametrize("name", GENERATORS)
def test_tiles_give_the_result_of_the_whole_image(name: str) -> None:
    generator = make_generator(name)
    tiled = TiledGenerator(generator, 3, FP32)
    image = torch.rand(1, 3, 160, 208) * 2 - 1
    expected = translate_whole(generator, image)
    assert expected.std() > 0.05
    for tile in (48, 80, None):
        assert (translate_in_windows(tiled, image, tile) - expected).abs().max() <= 1e-4


@pytest.mark.parametrize("name", ["resnet", "unet"])
def test_float64_differs_only_by_rounding(name: str) -> None:
    generator = make_generator(name).double()
    tiled = TiledGenerator(generator, 3, Precision("fp64", torch.device("cpu")))
    image = torch.rand(1, 3, 96, 128, dtype=torch.float64) * 2 - 1
    expected = translate_whole(generator, image)
    assert (translate_in_windows(tiled, image, 32) - expected).abs().max() <= 1e-11


def test_bf16_differs_by_no_more_than_its_precision() -> None:
    generator = make_generator("resnet")
    image = torch.rand(1, 3, 96, 96) * 2 - 1
    expected = translate_whole(generator, image)
    tiled = TiledGenerator(generator, 3, Precision("bf16", torch.device("cpu")))
    assert (translate_in_windows(tiled, image, 32) - expected).abs().mean() < 0.03


def test_statistics_of_a_nearly_constant_bright_image_are_precise() -> None:
    generator = make_generator("resnet")
    image = torch.full((1, 3, 128, 128), 0.9) + torch.randn(1, 3, 128, 128) * 1e-3
    expected = translate_whole(generator.double(), image.double()).float()
    tiled = TiledGenerator(generator.float(), 3, FP32)
    assert (translate_in_windows(tiled, image, 32) - expected).abs().max() <= 1e-2


class Pooled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        return (self.convolution(images) * images.mean((2, 3), keepdim=True)).tanh()


class Attention(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        rows = images.flatten(2).transpose(1, 2)
        attended = F.scaled_dot_product_attention(rows, rows, rows)
        return attended.transpose(1, 2).reshape(images.shape).tanh()


class Positions(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images * torch.linspace(0, 1, images.shape[-1])


class Branching(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images if images.mean() > 0 else -images


class HiddenByComparison(nn.Module):
    """Depends on its surroundings through a comparison, which does not propagate NaN."""

    def forward(self, images: Tensor) -> Tensor:
        surroundings = F.avg_pool2d(images, 31, 1, 15)
        return torch.where(surroundings > 0, images, -images)


class NormalisedImage(nn.Sequential):
    """Normalises the image itself, whose statistics are not known before its first tile."""

    def __init__(self) -> None:
        super().__init__(nn.InstanceNorm2d(3), nn.Conv2d(3, 3, 3, padding=1))


@pytest.mark.parametrize("network", [Pooled, Attention, Positions, Branching, HiddenByComparison, NormalisedImage])
def test_a_generator_that_cannot_be_tiled_exactly_is_refused(network: type[nn.Module]) -> None:
    torch.manual_seed(0)
    with pytest.raises(UntileableError):
        TiledGenerator(network().eval(), 3, FP32)


UPSAMPLED_TO_THE_SIZE_OF_A_SKIP = """
import resource
import torch
from torch import nn
from torch.nn.functional import interpolate
from tests.translation.untrained import make_translator
from cgkit.errors import UsageError
from cgkit.tiling.large_images import Tiling

class Decoder(nn.Module):
    stride = 4

    def __init__(self):
        super().__init__()
        self.down = nn.ModuleList([nn.Conv2d(3, 16, 3, 2, 1), nn.Conv2d(16, 32, 3, 2, 1)])
        self.up = nn.ModuleList([nn.Conv2d(32, 16, 3, 1, 1), nn.Conv2d(16, 3, 3, 1, 1)])

    def forward(self, images):
        skip = self.down[0](images).relu()
        features = self.up[0](interpolate(self.down[1](skip), size=skip.shape[-2:])) + skip
        return self.up[1](interpolate(features, size=images.shape[-2:])).tanh()

translator = make_translator(Decoder(), tiling=Tiling(64))
in_use = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (in_use + 1_000_000_000, resource.RLIM_INFINITY))
try:
    translator(torch.rand(3, 120, 96))
except UsageError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_built_in_sizes_are_found_within_a_gigabyte() -> None:
    command = [sys.executable, "-c", UPSAMPLED_TO_THE_SIZE_OF_A_SKIP]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0, done.stderr
    assert "cannot be tiled exactly" in done.stdout
    assert "F.interpolate(scale_factor=...)" in done.stdout
    assert "translate images whole" in done.stdout


class Coordinates(nn.Module):
    """Makes maps of coordinates, which would take 17 GB for the image that is traced to measure scales."""

    stride = 16

    def forward(self, images: Tensor) -> Tensor:
        rows, columns = (torch.linspace(0, 1, side) for side in images.shape[-2:])
        return images * (rows[:, None] * columns)


def test_constants_of_the_images_size_are_found_on_small_images() -> None:
    with pytest.raises(UntileableError, match="height and width of the whole image"):
        TiledGenerator(Coordinates().eval(), 3, FP32)


def test_too_little_disk_space_is_reported_before_anything_is_read() -> None:
    generator = make_generator("resnet")
    tiled = TiledGenerator(generator, 3, FP32)
    side = 4_000_000
    with pytest.raises(ResourceError, match=r"GB are needed.*TMPDIR"):
        tiled.translate(
            lambda window: pytest.fail("read"),
            lambda window, pixels: None,
            (side, side),
            tile=None,
            progress=lambda share: None,
        )


def test_the_space_needed_is_the_peak_of_the_stored_feature_maps() -> None:
    plan = TiledGenerator(make_generator("resnet"), 3, FP32).plan
    # The peak is when 4 channels at full size are written while 8 at half size are read.
    assert space_needed(plan, (100, 100), bytes_each=4) == 100 * 100 * 4 * (4 + 8 // 4)


def test_no_temporary_file_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    translate_in_windows(TiledGenerator(make_generator("resnet"), 3, FP32), torch.rand(1, 3, 64, 64), 32)
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    alignment=st.integers(1, 8),
    side=st.integers(1, 64),
)
def test_tiles_cover_every_pixel_once_and_are_aligned(rows: int, columns: int, alignment: int, side: int) -> None:
    size = (rows * alignment, columns * alignment)
    covered = torch.zeros(size, dtype=torch.int)
    for window in tiles(size, side, alignment):
        assert window.top % alignment == window.left % alignment == 0
        assert 0 < window.height <= max(side, alignment) + alignment
        covered[window.slices] += 1
    assert (covered == 1).all()
