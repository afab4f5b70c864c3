"""A translator gives large images tiles, where that is wanted or needed."""

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
from cgkit.engine.precision import Precision
from cgkit.errors import DataError, UsageError
from cgkit.images.reading import read_image
from cgkit.models.info import ModelInfo
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec
from cgkit.tiling.large_images import LargeImages, Tiling
from cgkit.translation.files import translate_files
from cgkit.translation.translator import Translator

FP32 = Precision("fp32", torch.device("cpu"))


def translator(generator: nn.Module, tiling: Tiling, data: dict[str, Any] | None = None) -> Translator:
    values = {"data": {"source": "seasons", "size": 16, **(data or {})}}
    spec = resolve_spec(values, load_plugins(installed=False))
    return Translator(generator, ModelInfo(spec, 0, False), "a2b", FP32, tiling)


class Same(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images


def written_by(translator: Translator, file: Path, output: Path) -> Path:
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
def test_files_of_every_depth_go_through_tiles_unchanged(dtype: Any, data: dict[str, Any], tmp_path: Path) -> None:
    channels = data["channels"]
    pixels = (np.random.default_rng(0).random((70, 90, channels)) * 200).astype(dtype)
    pixels = pixels[..., 0] if channels == 1 else pixels
    photometric, planes = ("rgb" if channels == 3 else "minisblack"), ("contig" if channels > 1 else None)
    tifffile.imwrite(tmp_path / "image.tif", pixels, photometric=photometric, planarconfig=planes)
    same = translator(Same(), Tiling(32), data)
    written = written_by(same, tmp_path / "image.tif", tmp_path / "out")
    assert np.allclose(tifffile.imread(written), pixels, atol=1e-3)
    assert np.array_equal(tifffile.imread(tmp_path / "image.tif"), pixels)


def test_transparency_is_carried_through_tiles(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    carrying = translator(Same(), Tiling(32), {"alpha": "carry"})
    made = np.asarray(Image.open(written_by(carrying, tmp_path / "image.png", tmp_path / "out")))
    assert np.array_equal(made[..., 3], pixels[..., 3])
    assert np.array_equal(np.asarray(carrying(tmp_path / "image.png")), made)


def test_a_picture_and_a_file_come_back_from_tiles_as_they_do_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    generator = ResnetGenerator(3, 3, width=4, blocks=1)
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (65, 91, 3), np.uint8))
    picture.save(tmp_path / "photo.png")
    whole, tiled = (translator(generator, Tiling(tile)) for tile in ("never", 32))
    for given in (picture, tmp_path / "photo.png"):
        difference = np.asarray(tiled(given)).astype(int) - np.asarray(whole(given))
        assert abs(difference).max() <= 1


def test_an_image_of_more_pixels_than_training_allows_is_translated_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (100, 90)).save(tmp_path / "photo.png")
    monkeypatch.setattr("cgkit.images.limits._pixels", [5_000])
    same = translator(Same(), Tiling())
    (refused,) = translate_files(same, [tmp_path / "photo.png"], tmp_path / "out")
    assert "100x90 is more than" in str(refused)
    same.max_pixels = 9_000
    (written,) = translate_files(same, [tmp_path / "photo.png"], tmp_path / "out")
    assert written == tmp_path / "out" / "photo.png"
    assert same(tmp_path / "photo.png").size == (100, 90)
    with pytest.raises(DataError, match="more than"):
        read_image(tmp_path / "photo.png")


def test_files_that_might_be_large_and_are_not_are_translated_whole(tmp_path: Path) -> None:
    Image.new("RGB", (1100, 1000), "red").save(tmp_path / "photo.png")
    (written,) = translate_files(
        translator(Same(), Tiling()),
        [tmp_path / "photo.png"],
        tmp_path / "out",
        progress=lambda *_: pytest.fail("tiles"),
    )
    assert isinstance(written, Path)
    assert Image.open(written).getpixel((0, 0)) == (255, 0, 0)


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
