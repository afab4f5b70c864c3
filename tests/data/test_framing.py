from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.components.augmentations.resize_and_crop import ResizeAndCrop
from cgkit.contracts import ImageRecord
from cgkit.data.framing import cover, crop_scaled
from cgkit.data.preparation import Preparation
from cgkit.errors import DataError
from cgkit.images.pixels import PixelFormat

SIDE = st.integers(1, 60)


@settings(deadline=None)
@given(height=SIDE, width=SIDE, rows=SIDE, columns=SIDE, channels=st.sampled_from([1, 3]))
def test_an_image_of_any_size_covers_any_size(height: int, width: int, rows: int, columns: int, channels: int) -> None:
    framed = cover(torch.rand(channels, height, width), (rows, columns))
    assert framed.shape == (channels, rows, columns)
    assert framed.min() >= 0
    assert framed.max() <= 1


def test_an_image_of_the_right_size_is_returned_unchanged() -> None:
    image = torch.rand(3, 8, 12)
    assert cover(image, (8, 12)) is image


def test_the_centre_is_kept() -> None:
    image = torch.zeros(1, 8, 24)
    image[:, :, 8:16] = 1
    assert float(cover(image, (8, 8)).mean()) == 1


def test_a_long_strip_is_cropped_before_scaling() -> None:
    assert cover(torch.rand(1, 2, 100_000), (256, 256)).shape == (1, 256, 256)


def stripes(height: int, width: int, period: int) -> ImageRecord:
    """Return an image of vertical stripes."""
    level = (np.arange(width) // (period // 2) % 2).astype(np.float32)
    return ImageRecord("stripes", render=lambda: np.broadcast_to(level, (3, height, width)).copy())


def edges(image: torch.Tensor) -> int:
    """Return the number of edges between stripes in the middle row of an image."""
    return int(((image[0, image.shape[1] // 2] > 0.5).int().diff() != 0).sum())


@pytest.mark.parametrize(
    ("framing", "expected"),
    [
        (None, 15),  # 32 edges in 512 pixels, scaled by 1/4 to a width of 128, of which 64 are cut
        (ResizeAndCrop(scale=2.0, aspect="keep"), 7),
        (ResizeAndCrop(scale=2.0), 15),  # stretched from 256 x 512 to 128 x 128
        (ResizeAndCrop(resize=False), 3),
    ],
)
def test_test_images_have_the_scale_of_training_images(framing: ResizeAndCrop | None, expected: int) -> None:
    preparation = Preparation((64, 64), framing)
    record = stripes(256, 512, 32)
    tested = preparation.for_testing(record, PixelFormat())
    assert tested.shape == (3, 64, 64)
    assert abs(edges(tested) - expected) <= 1
    trained = [preparation.for_training(record, PixelFormat(), seed)[0] for seed in range(8)]
    assert abs(edges(tested) - sum(map(edges, trained)) / 8) <= 1
    assert torch.equal(tested, preparation.for_testing(record, PixelFormat())), "nothing about it is random"


def test_the_centre_of_the_scaled_image_is_cut() -> None:
    image = torch.zeros(1, 16, 16)
    image[:, 6:10, 6:10] = 1
    assert torch.equal(crop_scaled(image, (16, 16), (4, 4)), torch.ones(1, 4, 4))
    assert crop_scaled(torch.rand(1, 2, 100_000), (256, 12_800_000), (256, 256)).shape == (1, 256, 256)


def test_an_image_smaller_than_an_unscaled_window_is_refused_for_testing_too() -> None:
    preparation = Preparation((64, 64), ResizeAndCrop(resize=False))
    with pytest.raises(DataError, match="stripes: an image of 32 x 80 pixels is smaller than the window of 64 x 64"):
        preparation.for_testing(stripes(32, 80, 8), PixelFormat())
