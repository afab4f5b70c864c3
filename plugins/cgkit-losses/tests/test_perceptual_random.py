"""The distance between random features depends only on the seed, is not trained, and is less local than pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cgkit_losses.perceptual_random import PerceptualRandomLoss
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F


@pytest.mark.parametrize("channels", [1, 3])
def test_the_distance_is_zero_for_equal_images_only_and_symmetric(channels: int) -> None:
    torch.manual_seed(0)
    images, others = torch.rand(2, 2, channels, 16, 18) * 2 - 1
    loss = PerceptualRandomLoss()
    assert loss(images, images.clone()).item() == 0
    assert loss(images, others).item() > 0.01
    torch.testing.assert_close(loss(images, others), loss(others, images))


def test_grey_images_are_treated_as_three_equal_channels() -> None:
    torch.manual_seed(0)
    images, others = torch.rand(2, 2, 1, 16, 16)
    loss = PerceptualRandomLoss()
    assert torch.equal(loss(images, others), loss(images.expand(-1, 3, -1, -1), others.expand(-1, 3, -1, -1)))


def test_the_weights_depend_on_the_seed_alone_and_do_not_use_the_global_generator() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    loss = PerceptualRandomLoss(seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(loss.weight_0, PerceptualRandomLoss(seed=5).weight_0)
    assert not torch.equal(loss.weight_0, PerceptualRandomLoss(seed=6).weight_0)


def test_it_has_no_parameters_and_its_weights_are_saved(tmp_path: Path) -> None:
    loss, images = PerceptualRandomLoss(seed=1), torch.rand(2, 1, 3, 16, 16)
    assert not list(loss.parameters())
    save_file(loss.state_dict(), tmp_path / "loss.safetensors")
    other = PerceptualRandomLoss(seed=2)
    assert not torch.equal(other(*images), loss(*images))
    other.load_state_dict(load_file(tmp_path / "loss.safetensors"))
    assert torch.equal(other(*images), loss(*images))


def test_a_blotch_counts_more_than_noise_of_the_same_amplitude(landscapes: Tensor) -> None:
    torch.manual_seed(0)
    noise = torch.where(torch.rand_like(landscapes[:, :1]) < 0.5, -0.1, 0.1).expand_as(landscapes)
    blotches = F.interpolate(noise[..., :3, :3], landscapes.shape[-2:])
    assert torch.allclose(blotches.abs(), noise.abs())
    loss = PerceptualRandomLoss()
    assert loss(landscapes + blotches, landscapes) > 1.2 * loss(landscapes + noise, landscapes)


def test_gradients_reach_the_image_and_are_finite_at_equality(landscapes: Tensor) -> None:
    loss = PerceptualRandomLoss()
    image = landscapes.clone().requires_grad_()
    loss(image, landscapes).backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()
    moved = (landscapes + 0.2).requires_grad_()
    loss(moved, landscapes).backward()
    assert moved.grad is not None
    assert (moved.grad.flatten(1).norm(dim=1) > 0).all()


def test_autocast_has_no_effect(landscapes: Tensor) -> None:
    loss, other = PerceptualRandomLoss(), landscapes.flip(-1)
    expected = loss(other, landscapes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        distance = loss(other, landscapes)
    assert distance.dtype == torch.float32
    assert torch.equal(distance, expected)


def test_unsupported_images_are_rejected() -> None:
    with pytest.raises(ValueError, match="1 or 3 channels, not 4"):
        PerceptualRandomLoss()(torch.zeros(1, 4, 16, 16), torch.zeros(1, 4, 16, 16))
    with pytest.raises(ValueError, match="4x16 pixels"):
        PerceptualRandomLoss(layers=3)(torch.zeros(1, 3, 4, 16), torch.zeros(1, 3, 4, 16))
    smallest = PerceptualRandomLoss(layers=3)(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8))
    assert smallest > 0
