from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cgkit.health import measuring


def pictures(count: int = 4, channels: int = 3, size: int = 40) -> torch.Tensor:
    """Smooth images."""
    coarse = torch.rand(count, channels, 5, 5, generator=torch.Generator().manual_seed(count))
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)


def test_negatives_have_luminance_correlation_minus_one_at_any_contrast() -> None:
    images = pictures()
    assert measuring.luminance_agreement(images, images) == pytest.approx(1, abs=1e-5)
    assert measuring.luminance_agreement(images, 0.6 - images / 2) == pytest.approx(-1, abs=1e-5)
    assert abs(measuring.luminance_agreement(images, torch.full_like(images, 0.3))) < 0.01


def test_luminance_can_be_compared_across_channel_counts() -> None:
    grey = pictures(channels=1)
    assert measuring.luminance_agreement(grey, grey.expand(-1, 3, -1, -1)) == pytest.approx(1, abs=1e-4)
    assert measuring.luminance_agreement(grey, grey.expand(-1, 5, -1, -1)) == pytest.approx(1, abs=1e-4)


def test_a_repeated_image_has_no_diversity() -> None:
    assert measuring.diversity(pictures()) > 0.1
    assert measuring.diversity(pictures(1).expand(4, -1, -1, -1)) == 0


def test_change_is_relative_to_the_distance_between_the_domains() -> None:
    sources, targets = torch.full((3, 3, 8, 8), 0.2), torch.full((3, 3, 8, 8), 0.6)
    assert measuring.change(sources, sources, targets) == 0
    assert measuring.change(sources, sources + 0.1, targets) == pytest.approx(0.25)
    assert measuring.change(sources, targets, targets) == pytest.approx(1)


@given(st.lists(st.sampled_from([-2.0, 0.0, 1.0, 5.0]), min_size=1), st.lists(st.sampled_from([0.0, 1.0]), min_size=1))
def test_separation_is_the_share_of_correctly_ordered_pairs(upper: list[float], lower: list[float]) -> None:
    pairs = [1.0 if high > low else 0.5 if high == low else 0.0 for high in upper for low in lower]
    separation = measuring.separation([torch.tensor(upper)], [torch.tensor(lower)])
    assert separation == pytest.approx(sum(pairs) / len(pairs))


def test_separation_is_averaged_over_scales() -> None:
    ones, zeros = torch.ones(2, 1, 3, 3), torch.zeros(5, 1, 3, 3)
    assert measuring.separation([ones, ones[..., :1]], [zeros, 2 * ones]) == 0.5


def test_overfitting_is_zero_at_training_images_and_one_at_generated_images() -> None:
    train, generated = torch.tensor([0.9, 1.1]), torch.tensor([-1.0, 0.0])
    assert measuring.overfitting(train, train, generated) == 0
    assert measuring.overfitting(train, generated, generated) == pytest.approx(1)
    assert measuring.overfitting(generated, train, train) == 0  # an untrained discriminator


def test_contrast_is_measured_over_pixels_not_over_channels() -> None:
    flat = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1).expand(1, 3, 16, 16)
    assert measuring.contrast(torch.cat([flat, flat + 0.001 * torch.rand(1, 3, 16, 16)])).max() < measuring.FLAT
    assert measuring.contrast(pictures()).min() > measuring.FLAT
