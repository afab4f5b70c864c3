"""Scaling, and cropping random windows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.components.augmentations.resize_and_crop import ResizeAndCrop

sides = st.integers(1, 40)


def ramp(height, width):
    """Return an image whose channel 0 increases from top to bottom and channel 1 from left to right, from 0 to 1."""
    down = torch.linspace(0, 1, height, dtype=torch.float64)[:, None].expand(height, width)
    right = torch.linspace(0, 1, width, dtype=torch.float64).expand(height, width)
    return torch.stack([down, right])[None]


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    height=sides,
    width=sides,
    size=st.tuples(sides, sides),
    channels=st.sampled_from([1, 3]),
    scale=st.floats(1, 3),
    aspect=st.sampled_from(["stretch", "keep"]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_any_image_yields_a_window_of_the_size_and_in_range(height, width, size, channels, scale, aspect, dtype):
    image = torch.rand(1, channels, height, width).round().to(dtype)
    window = ResizeAndCrop(scale=scale, aspect=aspect)(image, size)
    assert window.shape == (1, channels, *size)
    assert window.dtype == dtype
    assert 0 <= window.min() <= window.max() <= 1


def test_an_image_of_the_training_size_is_unchanged():
    image = torch.rand(1, 3, 8, 12)
    for aspect in ("stretch", "keep"):
        assert torch.equal(ResizeAndCrop(scale=1.0, aspect=aspect)(image, (8, 12)), image)


def test_without_resizing_every_window_of_the_image_occurs():
    image = torch.arange(5 * 6).reshape(1, 1, 5, 6) / 30
    framing = ResizeAndCrop(resize=False)
    windows = {
        tuple(image[..., top : top + 3, left : left + 4].flatten().tolist()) for top in range(3) for left in range(3)
    }
    results = {tuple(framing(image, (3, 4)).flatten().tolist()) for _ in range(200)}
    assert results == windows


def test_without_resizing_an_image_smaller_than_the_window_is_refused():
    framing = ResizeAndCrop(resize=False)
    assert framing.smallest((8, 12)) == (8, 12)
    assert ResizeAndCrop().smallest((8, 12)) == (1, 1)
    assert framing(torch.rand(1, 3, 8, 12), (8, 12)).shape == (1, 3, 8, 12)
    for shape in ((7, 12), (8, 11)):
        with pytest.raises(ValueError, match=f"{shape[0]} x {shape[1]} pixels is smaller than the window of 8 x 12"):
            framing(torch.rand(1, 3, *shape), (8, 12))


def test_the_published_scale_crops_30_pixels():
    torch.manual_seed(0)
    image = ramp(286, 286)
    lefts, tops = set(), set()
    for _ in range(200):
        window = ResizeAndCrop()(image, (256, 256))
        tops.add(round(float(window[0, 0, 0, 0]) * 285))
        lefts.add(round(float(window[0, 1, 0, 0]) * 285))
    assert min(lefts) == min(tops) == 0
    assert max(lefts) == max(tops) == 30


def test_stretch_shows_the_whole_image_and_keep_a_part():
    image = ramp(20, 80)
    stretched = ResizeAndCrop(scale=1.0)(image, (20, 20))
    assert stretched[0, 1, 0, -1] - stretched[0, 1, 0, 0] > 0.9
    kept = ResizeAndCrop(scale=1.0, aspect="keep")(image, (20, 20))
    assert torch.allclose(kept[0, 0], image[0, 0, :, :20])
    assert float(kept[0, 1, 0, -1] - kept[0, 1, 0, 0]) == pytest.approx(19 / 79)


def test_shrinking_is_antialiased():
    stripes = torch.tensor([0.0, 1.0]).repeat(64).expand(1, 1, 128, 128)
    small = ResizeAndCrop(scale=1.0)(stripes, (16, 16))
    assert torch.allclose(small[..., 2:-2], torch.tensor(0.5), atol=0.01)


def test_a_long_strip_is_cropped_before_scaling():
    strip = torch.rand(1, 1, 1, 1_000_000)
    assert ResizeAndCrop(aspect="keep")(strip, (64, 64)).shape == (1, 1, 64, 64)
    assert ResizeAndCrop(aspect="keep")(strip.mT, (64, 64)).shape == (1, 1, 64, 64)
