"""A translator uses tiles for large images if needed or requested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch import Tensor, nn

from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.errors import DataError, UsageError
from cgkit.images.reading import read_image
from cgkit.tiling.large_images import LargeImages, Tiling
from cgkit.translation.files import translate_files
from cgkit.translation.translator import Translator
from tests.conftest import load_image
from tests.tiling.in_windows import FP32
from tests.translation.untrained import make_translator


def translate_one(translator: Translator, file: Path, output: Path) -> Path:
    shares: list[float] = []
    (written,) = translate_files(translator, [file], output, progress=lambda _, share: shares.append(share))
    assert isinstance(written, Path), written
    assert shares[-1] == 1
    return written


@pytest.mark.parametrize(
    ("dtype", "data"),
    [
        (np.uint8, {"channels": 3}),
        (np.uint16, {"channels": 1, "depth": "uint16"}),
        (np.float32, {"channels": 5, "depth": "float32", "range": [0, 1000]}),
        (np.float32, {"channels": 1, "depth": "float32", "range": [0, 1000]}),
    ],
)
def test_tiles_preserve_files_of_every_depth(dtype: Any, data: dict[str, Any], tmp_path: Path) -> None:
    channels = data["channels"]
    pixels = (np.random.default_rng(0).random((70, 90, channels)) * 200).astype(dtype)
    pixels = pixels[..., 0] if channels == 1 else pixels
    photometric, planes = ("rgb" if channels == 3 else "minisblack"), ("contig" if channels > 1 else None)
    tifffile.imwrite(tmp_path / "image.tif", pixels, photometric=photometric, planarconfig=planes)
    written = translate_one(
        make_translator(nn.Identity(), tiling=Tiling(32), **data), tmp_path / "image.tif", tmp_path / "out"
    )
    assert np.allclose(tifffile.imread(written), pixels, atol=1e-3)
    assert np.array_equal(tifffile.imread(tmp_path / "image.tif"), pixels)


def test_tiles_carry_transparency_over(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    translator = make_translator(nn.Identity(), tiling=Tiling(32), alpha="carry")
    translation = np.asarray(load_image(translate_one(translator, tmp_path / "image.png", tmp_path / "out")))
    assert np.array_equal(translation[..., 3], pixels[..., 3])
    assert np.array_equal(np.asarray(translator(tmp_path / "image.png")), translation)


def test_tiles_give_the_same_result_for_pictures_and_files(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=4, blocks=1)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (65, 91, 3), np.uint8))
    picture.save(tmp_path / "photo.png")
    whole, tiled = (make_translator(generator, tiling=Tiling(tile)) for tile in ("never", 32))
    for image in (picture, tmp_path / "photo.png"):
        difference = np.asarray(tiled(image)).astype(int) - np.asarray(whole(image))
        assert abs(difference).max() <= 1


def test_max_pixels_allows_larger_images_than_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (100, 90)).save(tmp_path / "photo.png")
    monkeypatch.setattr("cgkit.files.limits._pixel_limits", [5_000])
    translator = make_translator(nn.Identity(), tiling=Tiling())
    (refused,) = translate_files(translator, [tmp_path / "photo.png"], tmp_path / "out")
    assert "100x90 exceeds" in str(refused)
    translator.max_pixels = 9_000
    (written,) = translate_files(translator, [tmp_path / "photo.png"], tmp_path / "out")
    assert written == tmp_path / "out" / "photo.png"
    assert translator(tmp_path / "photo.png").size == (100, 90)
    with pytest.raises(DataError, match="exceeds the limit"):
        read_image(tmp_path / "photo.png")


def test_files_that_might_need_tiles_but_do_not_are_translated_whole(tmp_path: Path) -> None:
    Image.new("RGB", (1100, 1000), "red").save(tmp_path / "photo.png")
    (written,) = translate_files(
        make_translator(nn.Identity(), tiling=Tiling()),
        [tmp_path / "photo.png"],
        tmp_path / "out",
        progress=lambda *_: pytest.fail("used tiles"),
    )
    assert isinstance(written, Path)
    assert load_image(written).getpixel((0, 0)) == (255, 0, 0)


class Global(nn.Module):
    """Every value depends on the whole image."""

    def forward(self, images: Tensor) -> Tensor:
        return (images - images.mean()).tanh()


@pytest.mark.parametrize("size", [(97, 131), (64, 64), (16, 200), (5, 300)])
def test_tiles_give_the_result_of_the_whole_image_for_any_size(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=4, blocks=1)
    image = torch.rand(2, 3, *size)
    expected = make_translator(generator, tiling=Tiling("never"))(image)
    assert (make_translator(generator, tiling=Tiling(32))(image) - expected).abs().max() <= 1e-4


@pytest.mark.parametrize("method", ["thumbnail", "independent"])
def test_approximations_are_close(method: Any) -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=4, blocks=1)
    image = torch.rand(3, 90, 150)
    expected = make_translator(generator, tiling=Tiling("never"))(image)
    assert 0 < (make_translator(generator, tiling=Tiling(64, method))(image) - expected).abs().mean() < 0.05


def test_images_are_tiled_if_their_features_would_take_much_memory() -> None:
    generator = ResnetGenerator(3, 3, width=64, blocks=1, downsamplings=1).eval()
    large = LargeImages(generator, 3, FP32, Tiling())
    assert not large.should_tile(1000, 1000)
    assert not large.should_tile(1200, 1200)
    assert large.should_tile(4000, 6000)
    assert not LargeImages(generator, 3, FP32, Tiling("never")).should_tile(4000, 6000)
    assert LargeImages(generator, 3, FP32, Tiling(64)).should_tile(10, 10)


def test_a_generator_that_cannot_be_tiled_gets_whole_images_unless_tiles_are_requested() -> None:
    assert not LargeImages(Global().eval(), 3, FP32, Tiling()).should_tile(4000, 6000)
    assert LargeImages(Global().eval(), 3, FP32, Tiling("auto", "thumbnail")).should_tile(4000, 6000)
    with pytest.raises(UsageError, match=r"cannot be tiled exactly.*thumbnail"):
        make_translator(Global(), tiling=Tiling(32))(torch.rand(3, 64, 64))
