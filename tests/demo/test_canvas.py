"""The canvas: coordinates, edges and layers."""

from __future__ import annotations

import numpy as np
import pytest

from cgkit.demo.canvas import Canvas
from cgkit.demo.palette import flat

ALL = slice(0, 8)


@pytest.fixture
def canvas():
    return Canvas((4, 6))


def test_the_picture_is_one_unit_high_and_centred(canvas):
    assert canvas.y[[0, -1]] == pytest.approx([1 / 16, 15 / 16])
    assert canvas.x[[0, -1]] == pytest.approx([-11 / 16, 11 / 16])


@pytest.mark.parametrize(("top", "bottom"), [(0.0, 1.0), (0.3, 0.6), (-2.0, 0.1), (0.9, 7.0)])
def test_a_band_covers_its_rows(canvas, top, bottom):
    inside = (canvas.y >= top) & (canvas.y <= bottom)
    rows = np.zeros(8, bool)
    rows[canvas.rows(top, bottom)] = True
    assert (rows | ~inside).all()


def test_an_edge_through_the_middle_of_a_pixel_covers_half_of_it(canvas):
    assert canvas.coverage(np.float32([-1, 0, 1])).tolist() == [0, 0.5, 1]


def test_a_layer_is_blended_into_its_own_pixels_alone(canvas):
    canvas.blend(flat((1.0, 0.5, 0.0)), np.ones((8, 12), np.float32), ALL)
    canvas.blend(flat((0.0, 0.0, 1.0)), np.full((2, 4), 0.5, np.float32), slice(0, 2), np.arange(4))
    picture = canvas.picture()
    assert picture.shape == (3, 4, 6)
    assert picture[:, 0, 0].tolist() == [0.5, 0.25, 0.5]
    assert picture[:, 1, 0].tolist() == picture[:, 0, 2].tolist() == [1, 0.5, 0]
