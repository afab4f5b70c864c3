"""Each geometric transformation alone, compared with a direct computation."""

from __future__ import annotations

import math

import pytest
import torch
from cgkit_weather.warping import NORMAL, TRANSFORMATIONS, UNIFORM, warp
from torch import Tensor

FLIP, QUARTERS, SHIFT, SCALE, ROTATION, STRETCH, SECOND_ROTATION, DRIFT = range(TRANSFORMATIONS)


def apply(images: Tensor, transformation: int, uniform: dict[int, float] | None = None, normal: float = 0.0) -> Tensor:
    """Apply one transformation with given draws: uniform draws are 0 unless given; all normal draws are equal."""
    applied = torch.zeros(TRANSFORMATIONS, len(images), dtype=torch.bool)
    applied[transformation] = True
    draws = torch.zeros(UNIFORM, len(images))
    for index, value in (uniform or {}).items():
        draws[index] = value
    return warp(images, applied, draws, torch.full((NORMAL, len(images)), normal))


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_a_flip_mirrors_half_of_the_time(images: Tensor) -> None:
    torch.testing.assert_close(apply(images, FLIP, uniform={0: 0.49}), images.flip(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(apply(images, FLIP, uniform={0: 0.5}), images, atol=1e-5, rtol=0)


def test_all_four_quarter_turns_occur(images: Tensor) -> None:
    turned = [apply(images, QUARTERS, uniform={1: draw}) for draw in (0.1, 0.3, 0.6, 0.9)]
    for quarters, image in enumerate(turned):
        torch.testing.assert_close(image, torch.rot90(images, quarters, (-2, -1)), atol=1e-5, rtol=0)


def test_images_that_are_not_square_only_get_half_turns() -> None:
    images = torch.rand(2, 1, 10, 16)
    torch.testing.assert_close(apply(images, QUARTERS, uniform={1: 0.3}), images, atol=1e-5, rtol=0)
    torch.testing.assert_close(apply(images, QUARTERS, uniform={1: 0.9}), images.flip(-1, -2), atol=1e-5, rtol=0)


def test_a_shift_is_by_whole_pixels_and_reflects_the_border(images: Tensor) -> None:
    # The maximum shift is an eighth of 16 pixels, so draws near 1 shift by 2 pixels along both axes.
    shifted = apply(images, SHIFT, uniform={2: 0.99, 3: 0.99})
    torch.testing.assert_close(shifted[..., :-2, :-2], images[..., 2:, 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(shifted[..., :-2, -2:], images[..., 2:, -2:].flip(-1), atol=1e-5, rtol=0)


def test_a_scale_of_two_standard_deviations_is_a_factor_of_two_to_the_power_of_0_4() -> None:
    line = torch.linspace(-1, 1, 33).expand(1, 1, 33, 33)
    scaled = apply(line, SCALE, normal=-2.0)
    torch.testing.assert_close(scaled[..., 8:25], line[..., 8:25] * 2**-0.4, atol=1e-4, rtol=0)


def test_a_stretch_enlarges_one_axis_and_shrinks_the_other() -> None:
    x = torch.linspace(-1, 1, 33).expand(1, 1, 33, 33)
    stretched = apply(x, STRETCH, normal=-2.0)
    torch.testing.assert_close(stretched[..., 8:25], x[..., 8:25] * 2**-0.4, atol=1e-4, rtol=0)
    y = x.mT
    squeezed = apply(y, STRETCH, normal=-2.0)
    torch.testing.assert_close(squeezed[..., 8:25, :], (y * 2**0.4)[..., 8:25, :], atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(33, 33), (21, 33)])
def test_a_rotation_preserves_distances_in_images_of_any_shape(shape: tuple[int, int]) -> None:
    y, x = (torch.arange(side) - (side - 1) / 2 for side in shape)
    distance = (y[:, None].square() + x.square()).sqrt()
    near = distance < 8
    for rotation in (ROTATION, SECOND_ROTATION):
        rotated = apply(distance[None, None], rotation, uniform={4: 0.8, 5: 0.8})[0, 0]
        torch.testing.assert_close(rotated[near], distance[near], atol=0.15, rtol=0)
    ramp = x.expand(shape)[None, None]
    angle = (2 * 0.8 - 1) * math.pi
    expected = math.cos(angle) * x - math.sin(angle) * y[:, None]
    torch.testing.assert_close(apply(ramp, ROTATION, uniform={4: 0.8})[0, 0][near], expected[near], atol=1e-3, rtol=0)


def test_a_drift_of_one_standard_deviation_is_an_eighth_of_the_side() -> None:
    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    torch.testing.assert_close(apply(ramp, DRIFT, normal=0.6)[..., :24], ramp[..., :24] + 2.4, atol=1e-3, rtol=0)


def test_upright_images_stay_the_most_likely_so_that_rotations_do_not_leak() -> None:
    image = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    applied = torch.zeros(TRANSFORMATIONS, 2000, dtype=torch.bool)
    applied[QUARTERS] = torch.rand(2000) < 0.6
    turned = warp(image.expand(2000, -1, -1, -1), applied, torch.rand(UNIFORM, 2000), torch.zeros(NORMAL, 2000))
    outcomes = torch.stack([torch.rot90(image, quarters, (-2, -1)) for quarters in range(4)])
    shares = ((turned - outcomes).abs().amax((2, 3, 4)) < 1e-4).float().mean(1)
    torch.testing.assert_close(shares, torch.tensor([0.4 + 0.15, 0.15, 0.15, 0.15]), atol=0.03, rtol=0)
