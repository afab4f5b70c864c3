"""A scene is the same place in both seasons and at every size."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from cgkit.demo.scene import paint_scene

SEASONS = ["summer", "winter"]


def psnr(first, second):
    return -10 * np.log10(np.square(first - second).mean())


@pytest.mark.parametrize("season", SEASONS)
@pytest.mark.parametrize("number", range(4))
def test_a_scene_looks_the_same_at_every_size(season, number):
    small, large = (paint_scene(0, number, (side, side), season) for side in (64, 192))
    assert psnr(small, large.reshape(3, 64, 3, 64, 3).mean((2, 4))) > 26


@pytest.mark.parametrize("season", SEASONS)
def test_a_narrower_picture_is_the_middle_of_a_wider_one(season):
    wide, narrow = (paint_scene(0, 1, (64, width), season) for width in (128, 64))
    assert psnr(wide[:, :, 32:96], narrow) > 40


def test_every_number_and_seed_is_a_different_scene():
    first, *others = (paint_scene(*scene, (32, 32), "summer") for scene in ((0, 0), (0, 1), (1, 0)))
    assert all(psnr(first, other) < 25 for other in others)


def test_snow_covers_the_ground_and_leaves_the_sky():
    # In winter the ground is much brighter. The sky is bright in both seasons.
    pictures = [np.stack([paint_scene(0, n, (48, 48), season) for n in range(12)]) for season in SEASONS]
    (sky, ground), (winter_sky, winter_ground) = (
        (picture[:, :, :16].mean(), picture[:, :, 36:].mean()) for picture in pictures
    )
    assert winter_ground > ground + 0.3
    assert winter_sky - sky < 0.2


def test_scenes_are_the_same_picture_on_every_machine():
    # After an intended change of the pictures, update the digest and raise `EDITION` in the source.
    digest = hashlib.sha256()
    for season in SEASONS:
        for number in range(4):
            picture = paint_scene(7, number, (40, 56), season)
            digest.update((picture * np.float32(255) + np.float32(0.5)).astype(np.uint8).tobytes())
    assert digest.hexdigest() == "71c5f0e6e49ddbb9ddcdace72420ade8f7beb789c4db3150353696e3b0742a18"
