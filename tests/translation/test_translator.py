"""A translator accepts images of several types, and returns translations of the same type."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor, nn

from cgkit.errors import DataError, UsageError
from cgkit.runs.start import run
from cgkit.translation.translator import Translator
from tests.translation.untrained import make_translator


class Negative(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return -images


class FirstChannel(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images[:, :1]


class Bands(nn.Module):
    """Repeats the first channel."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :1].expand(-1, self.count, -1, -1)


@pytest.fixture
def negative() -> Translator:
    return make_translator(Negative())


def test_a_tensor_is_returned_as_a_tensor_of_its_dtype(negative: Translator) -> None:
    image = torch.rand(3, 10, 11)
    assert torch.allclose(negative(image), 1 - image, atol=1e-6)
    assert torch.allclose(negative(image[None].double()), 1 - image[None].double(), atol=1e-6)
    assert negative(image.double()).dtype == torch.float64


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(9, 7, 3), (2, 9, 7, 3)])
def test_an_array_is_returned_as_an_array_of_its_dtype(
    negative: Translator, dtype: type[np.generic], shape: tuple[int, ...]
) -> None:
    highest = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    image = (np.random.default_rng(0).random(shape) * highest).astype(dtype)
    translated = negative(image)
    assert translated.dtype == dtype
    assert translated.shape == shape
    assert np.allclose(translated.astype(float), highest - image.astype(float), atol=1e-6 * highest, rtol=0)


@settings(deadline=None)
@given(st.integers(0, 65535))
def test_every_level_of_16_bits_is_preserved(level: int) -> None:
    image = np.full((4, 4, 3), level, np.uint16)
    assert np.abs(make_translator(nn.Identity())(image).astype(int) - level).max() <= 1


def test_a_picture_and_a_file_are_returned_as_a_picture(negative: Translator, tmp_path: Path) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8))
    picture.save(tmp_path / "photo.png")
    for image in (picture, tmp_path / "photo.png", str(tmp_path / "photo.png")):
        translated = negative(image)
        assert isinstance(translated, Image.Image)
        assert np.array_equal(np.asarray(translated), 255 - np.asarray(picture))


def test_a_picture_is_rotated_upright_and_its_transparency_composited(negative: Translator) -> None:
    picture = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    assert np.array_equal(np.asarray(negative(picture)), np.zeros((4, 8, 3)))
    sideways = Image.new("RGB", (8, 4))
    sideways.getexif()[0x0112] = 6
    assert negative(sideways).size == (4, 8)
    assert sideways.size == (8, 4), "the original is not changed"


def test_a_list_may_mix_types_and_keeps_its_order(negative: Translator) -> None:
    array, tensor = np.zeros((5, 5, 3), np.uint8), torch.zeros(3, 6, 6)
    first, second, third = negative([array, tensor, Image.new("RGB", (4, 4))])
    assert first.dtype == np.uint8
    assert first.min() == 255
    assert torch.equal(second, torch.ones(3, 6, 6))
    assert third.getpixel((0, 0)) == (255, 255, 255)


def test_a_translation_has_the_channels_of_its_domain() -> None:
    colour_to_grey = make_translator(FirstChannel(), {"a": 3, "b": 1})
    assert colour_to_grey(np.zeros((5, 6, 3), np.uint8)).shape == (5, 6, 1)
    assert colour_to_grey(Image.new("RGB", (6, 5))).mode == "L"
    grey = make_translator(Negative(), 1)
    assert grey(np.zeros((5, 6), np.uint8)).shape == (5, 6)
    assert grey(Image.new("RGB", (6, 5))).mode == "L"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(1, 8, 8), "3 channels"),
        (torch.zeros(8, 8), "3 channels"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "range of a tensor of torch.uint8 is unknown"),
        (np.zeros((8, 8), np.uint8), "3 channels"),
        (np.zeros((8, 8, 4), np.uint8), "3 channels"),
        (np.zeros((8, 8, 3), np.int64), "range of an array of int64 is unknown"),
        (np.full((8, 8, 3), 255.0), "in [0, 1]"),
        (np.full((8, 8, 3), np.nan), "in [0, 1]"),
        (Image.new("F", (8, 8)), "float32 values, but no range is declared for them"),
        (Image.new("LAB", (8, 8)), "mode LAB"),
        ("missing.png", "cannot be read"),
    ],
)
def test_an_unsuitable_image_is_refused_with_the_reason(negative: Translator, image: Any, message: str) -> None:
    with pytest.raises(DataError, match=message.replace("[", r"\[")):
        negative(image)


def test_an_unsupported_type_is_refused(negative: Translator) -> None:
    with pytest.raises(UsageError, match="not int"):
        negative(7)  # type: ignore[call-overload]


class TestRanges:
    """If a domain declares a range, its arrays, pictures and files are in that range."""

    RANGES: ClassVar[dict[str, object]] = {
        "range": {"a": [0, 4095], "b": [-1000, 3000]},
        "depth": {"a": "uint16", "b": "float32"},
    }

    def test_integers_are_converted_to_the_depth_of_the_target(self) -> None:
        grey_to_bands = make_translator(Bands(3), [1, 3], **self.RANGES)
        translated = grey_to_bands(np.array([[0, 4095], [1024, 9999]], np.uint16))
        assert (translated.dtype, translated.shape) == (np.float32, (2, 2, 3))
        expected = np.array([[-1000, 3000], [-1000 + 4000 * 1024 / 4095, 3000]])
        assert np.allclose(translated, expected[..., None], atol=1e-3)

    def test_floats_are_in_the_declared_range_and_stay_floats(self) -> None:
        grey_to_bands = make_translator(Bands(3), [1, 3], **self.RANGES)
        for depth in (np.float32, np.float64):
            translated = grey_to_bands(np.full((2, 2, 2, 1), 4095, depth))
            assert (translated.dtype, translated.shape) == (depth, (2, 2, 2, 3))
            assert np.allclose(translated, 3000)
        back = make_translator(Bands(1), [3, 1], range={"a": [-1000, 3000]}, depth={"a": "float32", "b": "uint16"})
        assert np.allclose(back(np.full((2, 2, 3), 1000, np.float32)), 0.5)

    def test_pictures_have_the_depth_of_their_domain(self) -> None:
        deep = make_translator(Bands(1), 1, depth="uint16")
        image = Image.fromarray(np.array([[0, 1, 65_535]], np.uint16))
        translated = deep(image)
        assert translated.mode == "I;16"
        assert np.abs(np.asarray(translated).astype(int) - np.asarray(image)).max() <= 1
        floats = make_translator(Bands(1), 1, range=[-1000, 3000], depth="float32")
        image = Image.fromarray(np.array([[-1000.0, 17.25, 3000]], np.float32))
        translated = floats(image)
        assert translated.mode == "F"
        assert np.allclose(np.asarray(translated), np.asarray(image), atol=1e-3)

    def test_a_translation_that_pillow_does_not_support_is_returned_as_an_array(self, tmp_path: Path) -> None:
        Image.fromarray(np.array([[0, 4095]], np.uint16)).save(tmp_path / "x.png")
        grey_to_bands = make_translator(Bands(3), [1, 3], **self.RANGES)
        for image in (tmp_path / "x.png", Image.open(tmp_path / "x.png")):
            translated = grey_to_bands(image)
            assert isinstance(translated, np.ndarray)
            assert translated.tolist() == [[[-1000.0] * 3, [3000.0] * 3]]

    def test_tensors_stay_in_0_1_even_if_a_range_is_declared(self) -> None:
        grey_to_bands = make_translator(Bands(3), [1, 3], **self.RANGES)
        image = torch.rand(1, 4, 4)
        assert torch.allclose(grey_to_bands(image), image.expand(3, -1, -1), atol=1e-6)


class TestTransparency:
    def test_it_is_composited_carried_over_or_a_channel(self) -> None:
        picture = Image.new("RGBA", (4, 4), (255, 0, 0, 51))
        assert make_translator(Negative())(picture).mode == "RGB"
        carried = make_translator(Negative(), alpha="carry", background=[0, 0, 0])(picture)
        assert (carried.mode, carried.getpixel((0, 0))) == ("RGBA", (204, 255, 255, 51))
        channel = make_translator(Negative(), 4, alpha="channel")(picture)
        assert (channel.mode, channel.getpixel((0, 0))) == ("RGBA", (0, 255, 255, 204))
        assert make_translator(Negative(), alpha="carry")(Image.new("RGB", (4, 4))).mode == "RGB"

    def test_arrays_have_it_as_a_channel_if_the_model_does(self) -> None:
        translated = make_translator(Negative(), 4, alpha="channel")(np.zeros((2, 2, 4), np.uint8))
        assert translated.tolist() == [[[255] * 4] * 2] * 2


@pytest.mark.parametrize("channels", [1, 2, 4, 13])
def test_any_number_of_bands_is_supported(channels: int) -> None:
    image = np.random.default_rng(0).integers(0, 65_536, (5, 6, channels), np.uint16)
    assert np.abs(make_translator(Negative(), channels)(image).astype(int) - (65_535 - image.astype(int))).max() <= 1


def test_models_with_different_weights_have_different_identities() -> None:
    torch.manual_seed(0)
    first, second = (make_translator(nn.Sequential(nn.Conv2d(3, 3, 1))) for _ in range(2))
    assert first.identity() == first.identity()
    assert first.identity() != second.identity()


def test_a_loaded_translator_gives_the_networks_of_both_directions_and_the_spec(
    tiny_spec: Path, tmp_path: Path
) -> None:
    folder = run(tiny_spec, overrides=["train.steps=1"], output=tmp_path / "run").folder
    images = torch.rand(1, 3, 16, 16)
    translators = {way: Translator.load(folder, direction=way, device="cpu") for way in ("a2b", "b2a")}
    for way, translator in translators.items():
        for network in (translator.network(), translators["a2b"].network(way)):
            assert not any(module.training for module in network.modules())
            with torch.no_grad():
                translation = ((network(images * 2 - 1) + 1) / 2).clamp(0, 1)
            assert torch.allclose(translation, translator(images), atol=1e-5)
    assert translators["a2b"].spec.generator.a2b.name == "resnet"
    with pytest.raises(UsageError, match="a2c"):
        translators["a2b"].network("a2c")


def test_a_translator_of_a_single_generator_has_no_other_network(negative: Translator) -> None:
    assert isinstance(negative.network(), Negative)
    assert negative.network("a2b") is negative.network()
    with pytest.raises(UsageError, match="only has the network a2b"):
        negative.network("b2a")
