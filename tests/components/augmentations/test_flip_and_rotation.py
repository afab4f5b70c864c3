"""Flips and rotations."""

from __future__ import annotations

import torch

from cgkit.components.augmentations.flip import Flip
from cgkit.components.augmentations.rotation import RightAngleRotation

IMAGE = torch.arange(6.0).reshape(1, 1, 2, 3) / 5
SQUARE = torch.arange(9.0).reshape(1, 1, 3, 3) / 8


def outcomes(augmentation, image, draws=400):
    return [tuple(augmentation(image).flatten().tolist()) for _ in range(draws)]


def flat(image):
    return tuple(image.flatten().tolist())


def test_a_horizontal_flip_swaps_left_and_right_and_a_vertical_one_top_and_bottom():
    assert flat(Flip(horizontal=1.0)(IMAGE) * 5) == (2, 1, 0, 5, 4, 3)
    assert flat(Flip(horizontal=0.0, vertical=1.0)(IMAGE) * 5) == (3, 4, 5, 0, 1, 2)


def test_by_default_half_of_the_images_are_flipped_horizontally():
    torch.manual_seed(0)
    results = outcomes(Flip(), IMAGE)
    assert set(results) == {flat(IMAGE), flat(IMAGE.flip(-1))}
    assert 150 < results.count(flat(IMAGE)) < 250


def test_both_flips_are_drawn_independently():
    assert len(set(outcomes(Flip(horizontal=0.5, vertical=0.5), IMAGE))) == 4


def test_squares_are_rotated_by_all_four_angles_equally_often():
    torch.manual_seed(0)
    results = outcomes(RightAngleRotation(), SQUARE)
    rotated = [flat(torch.rot90(SQUARE, quarters, (-2, -1))) for quarters in range(4)]
    assert set(results) == set(rotated)
    assert all(60 < results.count(each) < 140 for each in rotated)


def test_other_images_are_rotated_by_0_or_180_degrees():
    torch.manual_seed(0)
    results = outcomes(RightAngleRotation(), IMAGE)
    assert set(results) == {flat(IMAGE), flat(IMAGE.flip(-1, -2))}
    assert 150 < results.count(flat(IMAGE)) < 250
