"""Differentiable augmentation: exact gradients, published ranges, one draw per image."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.components.augmentations.diff_augment import DiffAugment

OFF = {"colour": False, "translation": 0.0, "cutout": 0.0}


def apply(augment, images, seed=0):
    torch.manual_seed(seed)
    return augment(images)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 4), st.sampled_from([1, 3]), st.integers(1, 20), st.integers(1, 20)),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.bfloat16]),
    translation=st.floats(0, 1),
    cutout=st.floats(0, 1),
)
def test_shape_and_dtype_are_kept_and_everything_is_finite(shape, dtype, translation, cutout):
    changed = DiffAugment(translation=translation, cutout=cutout)(torch.rand(shape).to(dtype))
    assert changed.shape == shape
    assert changed.dtype == dtype
    assert changed.isfinite().all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_gradient_is_exact(channels, seed):
    images = torch.rand(2, channels, 5, 4, dtype=torch.float64, requires_grad=True)
    augment = DiffAugment(translation=0.3, cutout=0.4, p=0.8)
    assert torch.autograd.gradcheck(lambda x: apply(augment, x, seed), images)
    assert torch.autograd.gradgradcheck(lambda x: apply(augment, x, seed).square(), images)


def test_real_and_generated_images_get_the_same_draw_from_the_same_seed():
    real, fake = torch.rand(2, 4, 3, 16, 16)
    augment = DiffAugment(colour=False)
    # Without colour the result only moves pixels, so it commutes with the mean.
    mean = apply(augment, (real + fake) / 2)
    assert torch.allclose(mean, (apply(augment, real) + apply(augment, fake)) / 2)


def test_every_image_of_a_batch_has_its_own_draw():
    image = torch.rand(1, 3, 16, 16).expand(6, 3, 16, 16)
    for options in ({"colour": True}, {"translation": 0.5}, {"cutout": 0.5}):
        changed = apply(DiffAugment(**{**OFF, **options}), image)
        assert len({tuple(image.flatten().tolist()) for image in changed}) >= 5


def test_p_is_the_share_of_images_that_are_changed():
    images = torch.rand(400, 1, 4, 4)
    changed = apply(DiffAugment(p=0.25, translation=0.0, cutout=0.0), images)
    share = (changed != images).flatten(1).any(1).float().mean()
    assert 0.18 < float(share) < 0.32
    assert (changed == images).flatten(1).all(1).float().mean() == 1 - share


def test_colours_shift_and_stretch_within_the_published_ranges():
    images = torch.rand(500, 3, 4, 4, dtype=torch.float64)
    changed = apply(DiffAugment(**{**OFF, "colour": True}), images)
    shift = (changed - images).mean((1, 2, 3))
    assert -0.25 <= shift.min() < -0.24 < 0.24 < shift.max() <= 0.25
    grey, changed_grey = images.mean(1, keepdim=True), changed.mean(1, keepdim=True)
    contrast = changed_grey.flatten(1).std(1) / grey.flatten(1).std(1)
    assert 0.5 <= contrast.min() < 0.52 < 1.48 < contrast.max() <= 1.5
    saturation = (changed - changed_grey).flatten(1).std(1) / (images - grey).flatten(1).std(1) / contrast
    assert 0 <= saturation.min() < 0.03 < 1.97 < saturation.max() <= 2


def test_a_translation_moves_whole_pixels_and_fills_with_grey():
    images = torch.rand(300, 2, 8, 16, dtype=torch.float64)
    changed = apply(DiffAugment(**{**OFF, "translation": 0.125}), images)
    shifts = set()
    for before, after in zip(images, changed, strict=True):
        matches = []
        for down in (-1, 0, 1):
            for right in (-2, -1, 0, 1, 2):
                moved = torch.full_like(before, 0.5)
                moved[:, max(down, 0) : 8 + min(down, 0), max(right, 0) : 16 + min(right, 0)] = before[
                    :, max(-down, 0) : 8 + min(-down, 0), max(-right, 0) : 16 + min(-right, 0)
                ]
                if torch.equal(after, moved):
                    matches.append((down, right))
        assert len(matches) == 1
        shifts.add(matches[0])
    assert len(shifts) == 15


def test_a_cutout_is_one_grey_hole_at_a_uniform_position():
    images = torch.zeros(600, 1, 6, 4)
    holes = apply(DiffAugment(**{**OFF, "cutout": 0.5}), images)
    assert set(holes.unique().tolist()) == {0.0, 0.5}
    rows, columns = (holes[:, 0] != 0).any(2), (holes[:, 0] != 0).any(1)
    assert torch.equal(holes[:, 0] != 0, rows[:, :, None] & columns[:, None, :])
    # A hole of 3 rows has its middle in any of the 6 rows; one of 2 columns starts between -1 and the last column.
    assert {tuple(row.nonzero().flatten().tolist()) for row in rows} == {
        (0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (4, 5),
    }  # fmt: skip
    assert {tuple(column.nonzero().flatten().tolist()) for column in columns} == {(0,), (0, 1), (1, 2), (2, 3), (3,)}


def test_the_gradient_is_zero_in_gaps_and_one_elsewhere():
    images = torch.rand(8, 1, 8, 8, requires_grad=True)
    changed = apply(DiffAugment(colour=False), images)
    changed.sum().backward()
    assert set(images.grad.unique().tolist()) == {0.0, 1.0}
    kept = (changed != 0.5).flatten(1).sum(1)
    assert torch.equal(images.grad.flatten(1).sum(1), kept.float())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_draws_are_the_same_on_a_gpu():
    images = torch.rand(6, 3, 16, 24)
    for augment in (DiffAugment(), DiffAugment(p=0.5, cutout=0.2)):
        on_gpu = apply(augment, images.cuda()).cpu()
        assert torch.allclose(on_gpu, apply(augment, images), atol=1e-6)
