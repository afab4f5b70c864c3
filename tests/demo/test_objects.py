"""Objects on the meadow: known places, and nothing else changes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from cgkit.components.sources.seasons import Seasons
from cgkit.demo.objects import draw_objects
from cgkit.demo.scene import label_scene, paint_scene, seasonal_objects

SIZE = (64, 64)


def test_both_seasons_have_cabins_and_each_has_objects_of_its_own() -> None:
    kinds = {
        season: {one.kind.name for number in range(20) for one in seasonal_objects(0, number, season)}
        for season in ("summer", "winter")
    }
    assert kinds == {"summer": {"cabin", "tent"}, "winter": {"cabin", "snowman"}}


@pytest.mark.parametrize("season", ["summer", "winter"])
def test_a_label_marks_where_the_picture_differs_from_one_without_objects(season: str) -> None:
    for number in range(6):
        objects = seasonal_objects(3, number, season)
        change = np.abs(paint_scene(3, number, SIZE, season, objects) - paint_scene(3, number, SIZE, season)).max(0)
        label = label_scene(3, number, SIZE, season)[0]
        assert ((change > 0.1) == (label > 0)).all()
        assert {*np.unique(label[label > 0])} <= {one.number for one in objects}


def test_no_two_objects_of_a_scene_have_the_same_number() -> None:
    for number in range(50):
        numbers = [one.number for one in draw_objects(0, number)]
        assert len(set(numbers)) == len(numbers)


def test_only_test_images_have_labels_and_only_if_there_are_objects() -> None:
    source = Seasons(SIZE, objects=True)
    extras = [set(domain[0].extras) for domain in (*source.train(), *source.test())]
    assert extras == [set(), set(), {"label"}, {"label"}]
    assert Seasons(SIZE).test()[0][0].extras == {}
    assert Seasons(SIZE).objects == ()


def test_objects_change_pictures_and_fingerprints() -> None:
    plain, populated = Seasons(SIZE).train()[0], Seasons(SIZE, objects=True).train()[0]
    assert plain.fingerprint() != populated.fingerprint()
    assert any((plain[n].render() != populated[n].render()).any() for n in range(3))


def test_objects_are_the_same_pictures_on_every_machine() -> None:
    # After an intended change of the pictures, update the digest and raise `EDITION` of the objects.
    digest = hashlib.sha256()
    for season in ("summer", "winter"):
        for number in range(4):
            picture = paint_scene(7, number, (40, 56), season, seasonal_objects(7, number, season))
            digest.update((picture * np.float32(255) + np.float32(0.5)).astype(np.uint8).tobytes())
    assert digest.hexdigest() == "dd18571219c1c3aa92e4d8c4bab161c0b063242027e85131b77cc8c52aa5deb7"
