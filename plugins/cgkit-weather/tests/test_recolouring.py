"""Each change of colour, alone, against figures worked by hand."""

from __future__ import annotations

import pytest
import torch
from cgkit_weather.recolouring import APPLIED, NORMAL, UNIFORM, recoloured
from torch import Tensor

BRIGHTNESS, CONTRAST, LUMA, HUE, SATURATION = range(APPLIED)


def change(colour: list[float], applied: int, uniform: float = 0.0, normal: float = 0.0) -> list[float]:
    """Apply one change to one pixel."""
    chosen = torch.zeros(APPLIED, 1, dtype=torch.bool)
    chosen[applied] = True
    pixel = torch.tensor(colour).reshape(1, -1, 1, 1)
    changed: Tensor = recoloured(pixel, chosen, torch.full((UNIFORM, 1), uniform), torch.full((NORMAL, 1), normal))
    return changed.flatten().tolist()


COLOUR = [0.2, 0.5, 0.8]


def test_brightness_adds_a_tenth_for_one_standard_deviation() -> None:
    assert change(COLOUR, BRIGHTNESS, normal=1.0) == pytest.approx([0.3, 0.6, 0.9])
    assert change([0.4], BRIGHTNESS, normal=-2.0) == pytest.approx([0.2])


def test_contrast_multiplies_the_distance_to_mid_grey() -> None:
    assert change(COLOUR, CONTRAST, normal=2.0) == pytest.approx([-0.1, 0.5, 1.1])  # times 2
    assert change([0.4], CONTRAST, normal=-2.0) == pytest.approx([0.45])


def test_a_luma_flip_turns_lightness_round_and_keeps_what_is_left() -> None:
    assert change([0.2, 0.4, 0.6], LUMA, uniform=0.2) == pytest.approx([0.4, 0.6, 0.8])  # a mean of 0.4 becomes 0.6
    assert change([0.2, 0.4, 0.6], LUMA, uniform=0.7) == pytest.approx([0.2, 0.4, 0.6])
    assert change([0.1], LUMA, uniform=0.2) == pytest.approx([0.9])


def test_a_third_of_the_colour_circle_exchanges_the_channels() -> None:
    third = 0.5 + 1 / 3  # draws of 0 to 1 are angles of -180 to 180 degrees
    assert change([0.9, 0.2, 0.4], HUE, uniform=third) == pytest.approx([0.4, 0.9, 0.2], abs=1e-6)
    assert change([0.9, 0.2, 0.4], HUE, uniform=0.5) == pytest.approx([0.9, 0.2, 0.4])
    assert change([0.3, 0.3, 0.3], HUE, uniform=0.9) == pytest.approx([0.3, 0.3, 0.3])
    assert change([0.3], HUE, uniform=0.9) == pytest.approx([0.3])


def test_saturation_multiplies_the_distance_to_grey() -> None:
    assert change([0.3, 0.4, 0.5], SATURATION, normal=1.0) == pytest.approx([0.2, 0.4, 0.6])  # times 2
    assert change([0.3], SATURATION, normal=1.0) == pytest.approx([0.3])
