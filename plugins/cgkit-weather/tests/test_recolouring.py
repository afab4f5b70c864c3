"""Each colour transformation alone, compared with values computed by hand."""

from __future__ import annotations

import pytest
import torch
from cgkit_weather.recolouring import NORMAL, TRANSFORMATIONS, UNIFORM, recolour
from torch import Tensor

BRIGHTNESS, CONTRAST, LUMA, HUE, SATURATION = range(TRANSFORMATIONS)


def apply(colour: list[float], transformation: int, uniform: float = 0.0, normal: float = 0.0) -> list[float]:
    """Apply one transformation to one pixel."""
    applied = torch.zeros(TRANSFORMATIONS, 1, dtype=torch.bool)
    applied[transformation] = True
    pixel = torch.tensor(colour).reshape(1, -1, 1, 1)
    changed: Tensor = recolour(pixel, applied, torch.full((UNIFORM, 1), uniform), torch.full((NORMAL, 1), normal))
    return changed.flatten().tolist()


COLOUR = [0.2, 0.5, 0.8]


def test_brightness_adds_0_1_for_one_standard_deviation() -> None:
    assert apply(COLOUR, BRIGHTNESS, normal=1.0) == pytest.approx([0.3, 0.6, 0.9])
    assert apply([0.4], BRIGHTNESS, normal=-2.0) == pytest.approx([0.2])


def test_contrast_scales_the_distance_to_mid_grey() -> None:
    assert apply(COLOUR, CONTRAST, normal=2.0) == pytest.approx([-0.1, 0.5, 1.1])  # times 2
    assert apply([0.4], CONTRAST, normal=-2.0) == pytest.approx([0.45])


def test_a_luma_flip_inverts_lightness_and_preserves_chroma() -> None:
    assert apply([0.2, 0.4, 0.6], LUMA, uniform=0.2) == pytest.approx([0.4, 0.6, 0.8])  # a mean of 0.4 becomes 0.6
    assert apply([0.2, 0.4, 0.6], LUMA, uniform=0.7) == pytest.approx([0.2, 0.4, 0.6])
    assert apply([0.1], LUMA, uniform=0.2) == pytest.approx([0.9])


def test_a_hue_rotation_by_a_third_permutes_the_channels() -> None:
    third = 0.5 + 1 / 3  # draws of 0 to 1 are angles of -180 to 180 degrees
    assert apply([0.9, 0.2, 0.4], HUE, uniform=third) == pytest.approx([0.4, 0.9, 0.2], abs=1e-6)
    assert apply([0.9, 0.2, 0.4], HUE, uniform=0.5) == pytest.approx([0.9, 0.2, 0.4])
    assert apply([0.3, 0.3, 0.3], HUE, uniform=0.9) == pytest.approx([0.3, 0.3, 0.3])
    assert apply([0.3], HUE, uniform=0.9) == pytest.approx([0.3])


def test_saturation_scales_the_distance_to_grey() -> None:
    assert apply([0.3, 0.4, 0.5], SATURATION, normal=1.0) == pytest.approx([0.2, 0.4, 0.6])  # times 2
    assert apply([0.3], SATURATION, normal=1.0) == pytest.approx([0.3])
