"""Adaptive augmentation: how often images are transformed, and how p adapts to the discriminator."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cgkit_weather.adaptive import AdaptiveAugmentation
from safetensors.torch import load_file, save_file
from torch import Tensor


def augment(seed: int, augmentation: AdaptiveAugmentation, images: Tensor) -> Tensor:
    torch.manual_seed(seed)
    changed: Tensor = augmentation(images)
    return changed


def logits(value: float, count: int = 3) -> list[Tensor]:
    return [torch.full((count, 1, 2, 2), value)]


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_images_are_unchanged_at_probability_zero(channels: int, dtype: torch.dtype) -> None:
    images = torch.rand(4, channels, 16, 20).to(dtype)
    for seed in range(10):
        assert torch.equal(augment(seed, AdaptiveAugmentation(start=0.0), images), images)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("size", [(16, 16), (16, 21)])
def test_every_image_changes_at_probability_one(channels: int, dtype: torch.dtype, size: tuple[int, int]) -> None:
    images = torch.rand(4, channels, *size).to(dtype)
    changed = augment(0, AdaptiveAugmentation(start=1.0), images)
    assert changed.shape == images.shape
    assert changed.dtype == dtype
    assert changed.isfinite().all()
    assert ((changed - images).abs().amax((1, 2, 3)) > 0.05).all()


def test_every_image_has_its_own_draws_from_the_global_generator() -> None:
    image = torch.rand(1, 3, 16, 16).expand(6, -1, -1, -1)
    augmentation = AdaptiveAugmentation(start=0.9)
    first = augment(1, augmentation, image)
    assert len({tuple(changed.flatten()[:8].tolist()) for changed in first}) == 6
    assert torch.equal(augment(1, augmentation, image), first)
    assert not torch.equal(augment(2, augmentation, image), first)


@pytest.mark.parametrize(
    ("only", "untouched"),
    [
        # There are five transformations; one of them, the luma flip, has an effect only half of the time.
        ("colour", (1 - 0.2) ** 4 * (1 - 0.1)),
        # The image changes if scale, stretch, drift or at least one of the two rotations is applied.
        ("geometry", (1 - 0.2) ** 3 * (1 - 0.2)),
    ],
)
def test_each_transformation_is_applied_with_probability_p(only: str, untouched: float) -> None:
    chosen = {group: group == only for group in ("pixels", "geometry", "colour")}
    augmentation = AdaptiveAugmentation(start=0.2, **chosen)
    images = torch.rand(1, 3, 8, 8).expand(4000, -1, -1, -1)
    same = (augment(0, augmentation, images) - images).abs().amax((1, 2, 3)) < 1e-5
    assert same.float().mean().item() == pytest.approx(untouched, abs=0.025)


def test_pixels_are_only_moved_by_the_group_pixels() -> None:
    images = torch.rand(1, 1, 16, 16).expand(30, -1, -1, -1)
    augmentation = AdaptiveAugmentation(start=1.0, geometry=False, colour=False)
    changed = augment(0, augmentation, images)
    # Sampling coordinates are rounded, so values change slightly.
    distances = (changed.flatten()[:, None] - images[0].flatten()).abs().amin(1)
    assert distances.max() < 1e-4
    assert len({tuple(image.flatten()[:8].tolist()) for image in changed}) > 20


def test_gradients_reach_every_image_and_are_finite() -> None:
    images = torch.rand(8, 3, 16, 16, requires_grad=True)
    augment(0, AdaptiveAugmentation(start=1.0), images).square().sum().backward()
    assert images.grad is not None
    assert images.grad.isfinite().all()
    assert (images.grad.flatten(1).norm(dim=1) > 0).all()


def test_gradients_agree_with_finite_differences_in_float64() -> None:
    images = torch.rand(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    augmentation = AdaptiveAugmentation(start=1.0)
    assert torch.autograd.gradcheck(lambda images: augment(0, augmentation, images), images)


def test_autocast_has_no_effect() -> None:
    images = torch.rand(4, 3, 16, 16)
    augmentation = AdaptiveAugmentation(start=1.0)
    expected = augment(0, augmentation, images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(augment(0, augmentation, images), expected)


def test_no_value_is_read_from_the_device() -> None:
    # Meta tensors have no values, so any attempt to read one fails.
    augmentation = AdaptiveAugmentation(interval=1).to("meta")
    images = torch.empty(2, 3, 16, 16, device="meta")
    assert augmentation(images).shape == images.shape
    augmentation.observe([torch.empty(2, 1, 3, 3, device="meta"), torch.empty(2, 1, 2, 2, device="meta")])


def test_p_rises_with_confident_logits_in_proportion_to_the_images_up_to_one() -> None:
    augmentation = AdaptiveAugmentation(adjustment_images=15, interval=2, boundary=0.5)
    expected = [0, 0.4, 0.4, 0.8, 0.8, 1, 1, 1]
    for p in expected:
        augmentation.observe(logits(0.9))
        assert augmentation.p.item() == pytest.approx(p)


def test_p_falls_with_unsure_logits_down_to_zero() -> None:
    augmentation = AdaptiveAugmentation(adjustment_images=10, interval=1, start=0.5)
    for p in (0.2, 0, 0, 0):
        augmentation.observe(logits(0.1))
        assert augmentation.p.item() == pytest.approx(p)
    augmentation.observe(logits(0.9))
    assert augmentation.p.item() == pytest.approx(0.3)


def test_p_stays_if_the_mean_sign_is_on_target() -> None:
    # With 4 of 5 logits above the boundary, the mean sign is 3/5.
    on_target = [torch.tensor([1.0, 1, 1, 1, 0]).reshape(5, 1, 1, 1)]
    augmentation = AdaptiveAugmentation(adjustment_images=50, interval=1, start=0.5, target=0.6)
    augmentation.observe(on_target)
    assert augmentation.p.item() == 0.5
    eager = AdaptiveAugmentation(adjustment_images=50, interval=1, start=0.5, target=0.5)
    eager.observe(on_target)
    assert eager.p.item() == pytest.approx(0.6)


def test_the_boundary_defines_confident_logits() -> None:
    for boundary, p in ((0.0, 0.8), (0.5, 0.2)):
        augmentation = AdaptiveAugmentation(adjustment_images=10, interval=1, start=0.5, boundary=boundary)
        augmentation.observe(logits(0.3))
        assert augmentation.p.item() == pytest.approx(p)


def test_signs_are_averaged_over_the_steps_of_an_interval_and_over_scales() -> None:
    augmentation = AdaptiveAugmentation(adjustment_images=10, interval=2, start=0.5, target=0.1)
    augmentation.observe([*logits(1, count=2), *logits(1, count=2)])  # a mean sign of 1
    augmentation.observe(
        [torch.ones(2, 1, 4, 4), -torch.ones(2, 1, 1, 1)]
    )  # a mean sign of 0, because scales have equal weight
    assert augmentation.p.item() == pytest.approx(0.9)
    augmentation.observe(logits(-1))
    augmentation.observe(logits(0.9))  # the mean sign is 0, below the target
    assert augmentation.p.item() == pytest.approx(0.3)


def test_the_state_can_be_saved_and_restored_within_an_interval(tmp_path: Path) -> None:
    uninterrupted, first = (AdaptiveAugmentation(adjustment_images=20, interval=3, start=0.2) for _ in range(2))
    history = [logits(0.9), logits(0.9), logits(0.1), logits(0.9), logits(0.1)]
    for observed in history:
        uninterrupted.observe(observed)
    for observed in history[:4]:
        first.observe(observed)
    save_file(first.state_dict(), tmp_path / "state.safetensors")
    second = AdaptiveAugmentation(adjustment_images=20, interval=3)
    second.load_state_dict(load_file(tmp_path / "state.safetensors"))
    second.observe(history[4])
    assert uninterrupted.p != 0.2
    assert uninterrupted.steps == 2
    assert {name: value.item() for name, value in second.state_dict().items()} == {
        name: value.item() for name, value in uninterrupted.state_dict().items()
    }
