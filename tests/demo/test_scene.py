"""Scenes: each is one place, whatever the season and the size."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from cgkit.demo.scene import Scene

SEASONS = ["summer", "winter"]


def psnr(first, second):
    return -10 * np.log10(np.square(first - second).mean())


@pytest.mark.parametrize("season", SEASONS)
@pytest.mark.parametrize("number", range(4))
def test_a_scene_looks_the_same_at_every_size(season, number):
    scene = Scene.draw(0, number)
    small, large = scene.paint((64, 64), season), scene.paint((192, 192), season)
    assert psnr(small, large.reshape(3, 64, 3, 64, 3).mean((2, 4))) > 26


@pytest.mark.parametrize("season", SEASONS)
def test_a_narrower_picture_is_the_middle_of_a_wider_one(season):
    scene = Scene.draw(0, 1)
    wide, narrow = scene.paint((64, 128), season), scene.paint((64, 64), season)
    assert psnr(wide[:, :, 32:96], narrow) > 40


def test_another_number_or_seed_is_another_scene():
    first, *others = (Scene.draw(*place).paint((32, 32), "summer") for place in ((0, 0), (0, 1), (1, 0)))
    assert all(psnr(first, other) < 25 for other in others)


def test_snow_covers_the_ground_and_leaves_the_sky():
    # In winter the lower half is much brighter; the sky, brightest in both, is nearly so already.
    pictures = [np.stack([Scene.draw(0, n).paint((48, 48), season) for n in range(12)]) for season in SEASONS]
    (sky, ground), (winter_sky, winter_ground) = (
        (picture[:, :, :16].mean(), picture[:, :, 36:].mean()) for picture in pictures
    )
    assert winter_ground > ground + 0.3
    assert winter_sky - sky < 0.2


def test_scenes_are_the_same_picture_on_every_machine():
    # Where this fails because scenes look different on purpose, `EDITION` of the source goes up as well.
    digest = hashlib.sha256()
    for season in SEASONS:
        for number in range(4):
            picture = Scene.draw(7, number).paint((40, 56), season)
            digest.update((picture * np.float32(255) + np.float32(0.5)).astype(np.uint8).tobytes())
    assert digest.hexdigest() == "236c152df9dd94a95d0d2d34c01130460c63a42ad4dfa859f5eca0af3b51c0d3"
