"""Colour jitter, blur and noise."""

from __future__ import annotations

import pytest
import torch

from cgkit.components.augmentations.blur import Blur
from cgkit.components.augmentations.colour_jitter import ColourJitter
from cgkit.components.augmentations.noise import Noise

OFF = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_brightness_multiplies_every_channel_by_one_factor_in_its_range(channels):
    image = torch.rand(1, channels, 4, 6, dtype=torch.float64) * 0.5 + 0.1
    factors = []
    for _ in range(50):
        ratio = ColourJitter(**{**OFF, "brightness": 0.3})(image) / image
        assert torch.allclose(ratio, ratio[0, 0, 0, 0])
        factors.append(float(ratio[0, 0, 0, 0]))
    assert 0.7 <= min(factors) < 0.85 < 1.15 < max(factors) <= 1.3


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_contrast_keeps_the_mean(channels):
    image = torch.rand(1, channels, 5, 5, dtype=torch.float64) * 0.2 + 0.4
    changed = ColourJitter(**{**OFF, "contrast": 0.5})(image)
    assert not torch.allclose(changed, image)
    assert float(changed.mean()) == pytest.approx(float(image.mean()))
    ratio = (changed - changed.mean()) / (image - image.mean())
    assert torch.allclose(ratio, ratio[0, 0, 0, 0])


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_saturation_and_hue_do_not_change_images_without_three_channels(channels):
    image = torch.rand(1, channels, 5, 5)
    assert torch.equal(ColourJitter(**{**OFF, "saturation": 1.0, "hue": 0.5})(image), image)


def test_saturation_and_hue_leave_greys_grey_and_change_colours():
    grey = torch.rand(1, 1, 5, 5).expand(1, 3, 5, 5)
    jitter = ColourJitter(**{**OFF, "saturation": 1.0, "hue": 0.5})
    assert torch.allclose(jitter(grey), grey, atol=2e-3)
    red = torch.zeros(1, 3, 2, 2)
    red[:, 0] = 1
    assert not torch.allclose(jitter(red), red, atol=0.05)


def test_a_blur_keeps_flat_images_and_softens_edges():
    blur = Blur(sigma_min=1.0, sigma_max=1.0, p=1.0)
    flat = torch.full((1, 3, 9, 7), 0.3, dtype=torch.float64)
    assert torch.allclose(blur(flat), flat, rtol=1e-12)
    point = torch.zeros(1, 1, 15, 17, dtype=torch.float64)
    point[..., 7, 8] = 1
    blurred = blur(point)
    assert float(blurred.sum()) == pytest.approx(1)
    assert float(blurred[0, 0, 7, 8]) == pytest.approx(1 / (2 * torch.pi), rel=0.01)
    assert float(blurred[0, 0, 7, 9] / blurred[0, 0, 7, 8]) == pytest.approx(2.718281828**-0.5, rel=1e-6)
    assert torch.allclose(blurred, blurred.flip(-1, -2))


def test_the_width_of_a_blur_is_drawn_from_its_range():
    point = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    point[..., 20, 20] = 1
    offsets = torch.arange(41.0, dtype=torch.float64) - 20
    blur = Blur(sigma_min=1.0, sigma_max=3.0, p=1.0)
    widths = [float((blur(point)[0, 0].sum(0) * offsets**2).sum() ** 0.5) for _ in range(60)]
    # Truncated at 3 standard deviations, a Gaussian is slightly narrower.
    assert 0.95 < min(widths) < 1.5
    assert 2.5 < max(widths) <= 3.0


def test_a_minimum_above_the_maximum_is_refused():
    with pytest.raises(ValueError, match=r"sigma_min = 3 is greater than sigma_max = 2"):
        Blur(sigma_min=3.0, sigma_max=2.0)


def test_noise_has_mean_zero_and_the_given_standard_deviation():
    torch.manual_seed(0)
    noise = Noise(std=0.05)(torch.full((1, 3, 100, 100), 0.5, dtype=torch.float64)) - 0.5
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)
    assert abs(float(noise.mean())) < 0.001


@pytest.mark.parametrize("augmentation", [Noise(p=0.25), Blur(p=0.25), ColourJitter(p=0.25)])
def test_p_is_the_probability_of_a_change(augmentation):
    torch.manual_seed(0)
    image = torch.rand(1, 3, 4, 4)
    changed = sum(not torch.equal(augmentation(image), image) for _ in range(400))
    assert 70 < changed < 130
