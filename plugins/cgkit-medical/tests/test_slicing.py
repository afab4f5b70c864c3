"""Slices lie the way up that viewers show, however a volume is stored."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from cgkit_medical.slicing import as_stack, orientation, stack_shape, stack_spacing, with_neighbours

SHAPE = (4, 5, 6)
STORED = [
    (order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]  # all 48 ways to store a volume along the axes of the body

DIRECTIONS = {
    "axial": ((2, 1), (1, -1), (0, -1)),
    "coronal": ((1, -1), (2, -1), (0, -1)),
    "sagittal": ((0, -1), (2, -1), (1, -1)),
}
"""For slices, rows and columns: the axis of the body (right, anterior, superior), and the direction along it."""


def affine_of(order: tuple[int, ...], signs: tuple[int, ...], tilt: float = 0.0) -> np.ndarray:
    affine = np.eye(4)
    affine[:3, :3] = 0
    for index, (body, sign) in enumerate(zip(order, signs, strict=True)):
        affine[body, index] = sign * (1.0 + index)
    turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    affine[:3, :3] = turn @ affine[:3, :3]
    return affine


@pytest.mark.parametrize("axis", DIRECTIONS)
@pytest.mark.parametrize(("order", "signs"), STORED)
@pytest.mark.parametrize("tilt", [0.0, 0.3])
def test_slices_rows_and_columns_follow_the_body(axis: str, order: tuple, signs: tuple, tilt: float) -> None:
    affine = affine_of(order, signs, tilt)
    indices = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    places = indices @ affine[:3, :3].T
    for number, (body, sign) in enumerate(DIRECTIONS[axis]):
        stack = as_stack(places[..., body], affine, axis)
        assert (np.diff(stack, axis=number) * sign > 0).all()
    assert as_stack(np.zeros(SHAPE), affine, axis).shape == stack_shape(SHAPE, affine, axis)


def test_what_is_written_to_slices_is_written_to_the_volume() -> None:
    volume = np.zeros(SHAPE)
    affine = affine_of((1, 2, 0), (1, -1, 1))
    as_stack(volume, affine, "coronal")[0, 0, 0] = 1
    assert volume.sum() == 1


def test_stored_axes_give_the_slices_that_a_scanner_stored() -> None:
    volume = np.arange(np.prod(SHAPE)).reshape(SHAPE)
    affine = affine_of((0, 1, 2), (-1, -1, 1))
    assert np.array_equal(as_stack(volume, affine, "k")[2], volume[:, :, 2].T)
    assert np.array_equal(as_stack(volume, affine, "i")[1], volume[1].T)
    assert np.array_equal(as_stack(volume, affine, "axial"), as_stack(volume, affine, "k"))
    assert (orientation(affine), stack_spacing(affine, "k")) == ("LPS", (3.0, 2.0, 1.0))


def test_the_first_and_last_slices_are_repeated_as_neighbours() -> None:
    stack = np.arange(5)[:, None, None] * np.ones((1, 2, 2))
    assert with_neighbours(stack, 0, 2)[0, 0].tolist() == [0, 0, 0, 1, 2]
    assert with_neighbours(stack, 3, 1)[0, 0].tolist() == [2, 3, 4]
