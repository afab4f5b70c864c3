"""Properties that all weather effects share, and the effect of each."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from cgkit_weather.cloud_shadow import CloudShadow
from cgkit_weather.fog import Fog
from cgkit_weather.motion_blur import MotionBlur
from cgkit_weather.rain import Rain
from cgkit_weather.snow import Snow
from cgkit_weather.uneven_light import UnevenLight
from torch import Tensor, nn

WEATHERS: list[type[Any]] = [CloudShadow, Fog, MotionBlur, Rain, Snow, UnevenLight]
every_weather = pytest.mark.parametrize("weather", WEATHERS, ids=lambda weather: weather.__name__)


def augment(seed: int, augmentation: nn.Module, image: Tensor) -> Tensor:
    torch.manual_seed(seed)
    changed: Tensor = augmentation(image)
    return changed


@every_weather
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(16, 16), (17, 40)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shape_dtype_and_range_are_preserved(
    weather: type[Any], channels: int, size: tuple[int, int], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    image = torch.rand(1, channels, *size, dtype=dtype)
    image[..., :4, :4], image[..., -4:, -4:] = 0, 1
    before = image.clone()
    for seed in range(5):
        changed = augment(seed, weather(p=1.0), image)
        assert changed.shape == image.shape
        assert changed.dtype == dtype
        assert changed.isfinite().all()
        assert changed.min() >= 0
        assert changed.max() <= 1
    assert torch.equal(image, before)


@every_weather
def test_probability_zero_is_never_and_one_always(weather: type[Any], landscape: Tensor) -> None:
    for seed in range(20):
        assert torch.equal(augment(seed, weather(p=0.0), landscape), landscape)
    changed = [not torch.equal(augment(seed, weather(p=1.0), landscape), landscape) for seed in range(20)]
    # A shadow may happen to cover nothing.
    assert sum(changed) >= (17 if weather is CloudShadow else 20)


@every_weather
def test_probability_one_half_is_about_half_of_the_time(weather: type[Any]) -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.4
    augmentation = weather(p=0.5)
    unchanged = sum(augment(seed, augmentation, image) is image for seed in range(100))
    assert 30 < unchanged < 70


@every_weather
def test_all_randomness_comes_from_the_global_generator(weather: type[Any], landscape: Tensor) -> None:
    augmentation = weather(p=1.0)
    first = augment(3, augmentation, landscape)
    augment(4, augmentation, landscape)
    assert torch.equal(augment(3, augmentation, landscape), first)
    assert torch.equal(augment(3, weather(p=1.0), landscape), first)
    assert len({augment(seed, augmentation, landscape).sum().item() for seed in range(8)}) > 4


@every_weather
def test_a_pickled_augmentation_is_the_same(weather: type[Any], landscape: Tensor) -> None:
    augmentation = weather(p=1.0)
    augment(0, augmentation, landscape)
    copy = pickle.loads(pickle.dumps(augmentation))
    assert torch.equal(augment(5, copy, landscape), augment(5, augmentation, landscape))


@every_weather
def test_grey_images_get_the_same_weather_in_one_and_three_channels(weather: type[Any]) -> None:
    torch.manual_seed(0)
    grey = torch.rand(1, 1, 20, 20)
    coloured = augment(1, weather(p=1.0), grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(augment(1, weather(p=1.0), grey).expand(-1, 3, -1, -1), coloured)


@every_weather
def test_the_role_is_data(weather: type[Any]) -> None:
    assert weather().role == "data"


def test_rain_changes_some_pixels_only(landscape: Tensor) -> None:
    for seed in range(10):
        covered = (augment(seed, Rain(p=1.0), landscape) != landscape).any(1).float().mean()
        assert 0.005 < covered < 0.4


def test_rain_is_blended_with_its_opacity() -> None:
    black = torch.zeros(1, 3, 32, 32)
    for opacity in (0.25, 1.0):
        values = augment(0, Rain(p=1.0, opacity=opacity), black).unique()
        torch.testing.assert_close(values, torch.tensor([0.0, opacity * 200 / 255]))
    assert torch.equal(augment(0, Rain(p=1.0, opacity=0.0), black), black)


def test_rain_without_slant_is_vertical_with_lengths_relative_to_the_height() -> None:
    black = torch.zeros(1, 1, 40, 40)
    lengths = set()
    for seed in range(40):
        streak = augment(seed, Rain(p=1.0, drops=0.7, length=0.25, slant=0.0), black) > 0  # one drop
        assert streak.any(-2).sum() == 1
        lengths.add(int(streak.sum()))
    assert lengths == set(range(5, 11))


def test_more_drops_cover_more(landscape: Tensor) -> None:
    def covered(drops: float) -> float:
        changed = [augment(seed, Rain(p=1.0, drops=drops), landscape) != landscape for seed in range(5)]
        return float(torch.stack(changed).float().mean())

    assert covered(2) < covered(10) < covered(50)


def test_snow_makes_some_pixels_lighter_and_none_darker(landscape: Tensor) -> None:
    def lightness(image: Tensor) -> Tensor:
        return (image.amax(1) + image.amin(1)) / 2

    for seed in range(10):
        snowy = augment(seed, Snow(p=1.0), landscape)
        assert (lightness(snowy) >= lightness(landscape) - 1e-5).all()
        assert lightness(snowy).mean() > lightness(landscape).mean() + 0.01


def test_snow_covers_pixels_darker_than_the_threshold() -> None:
    image = torch.tensor([0.2, 0.45, 0.55, 0.9]).reshape(1, 1, 1, 4)
    snow = Snow(threshold_min=0.5, threshold_max=0.5, brightness_min=2, brightness_max=2, p=1.0)
    torch.testing.assert_close(snow(image), torch.tensor([0.4, 0.9, 0.55, 0.9]).reshape(1, 1, 1, 4))


def test_snow_rejects_invalid_images_and_options() -> None:
    with pytest.raises(ValueError, match="1 or 3 channels, not 4"):
        Snow(p=0.0)(torch.zeros(1, 4, 8, 8))
    with pytest.raises(ValueError, match=r"threshold_min = 0\.9"):
        Snow(threshold_min=0.9)
    with pytest.raises(ValueError, match="brightness_min = 3"):
        Snow(brightness_min=3)


def test_fog_reduces_contrast_and_moves_every_pixel_towards_its_grey(landscape: Tensor) -> None:
    for seed in range(10):
        foggy = augment(seed, Fog(p=1.0, lightness=0.8), landscape)
        assert ((foggy - 0.8).abs() <= (landscape - 0.8).abs() + 1e-6).all()
        assert foggy.std() < landscape.std()


def test_fog_hides_no_more_than_its_density() -> None:
    black = torch.zeros(1, 3, 16, 16)
    foggy = torch.stack([augment(seed, Fog(p=1.0, density=0.5, lightness=1.0), black) for seed in range(30)])
    assert 0.35 < foggy.max() <= 0.5


def test_shadows_subtract_one_amount() -> None:
    grey = torch.full((1, 3, 32, 32), 0.6)
    partial = 0
    for seed in range(20):
        values = augment(seed, CloudShadow(p=1.0), grey).unique()
        assert len(values) <= 2
        assert values.min() >= 0.3 - 1e-6
        partial += len(values) == 2
    assert partial > 10


def test_uneven_light_does_not_tint_and_stays_within_its_strength() -> None:
    grey = torch.full((1, 3, 32, 32), 0.5)
    for seed in range(10):
        lit = augment(seed, UnevenLight(p=1.0, strength=0.3), grey)
        assert torch.equal(lit[:, 0], lit[:, 1])
        assert (lit - grey).abs().max() <= 0.3 + 1e-6
        assert lit.unique().numel() > 10


def test_motion_blur_keeps_flat_images_and_blurs_others_along_a_line(landscape: Tensor) -> None:
    flat = torch.full((1, 3, 16, 16), 0.7)
    dot = torch.zeros(1, 1, 33, 33)
    dot[..., 16, 16] = 1
    for seed in range(10):
        torch.testing.assert_close(augment(seed, MotionBlur(p=1.0), flat), flat)
        assert augment(seed, MotionBlur(p=1.0), landscape).std() < landscape.std()
        line = augment(seed, MotionBlur(p=1.0, length=0.3), dot)
        assert line.sum().item() == pytest.approx(1, abs=1e-4)
        assert 3 <= (line > 0.01).sum() < 33
