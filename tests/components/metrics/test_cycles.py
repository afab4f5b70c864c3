"""Cycle consistency, and patterns hidden in translations."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cgkit.components.metrics.cycles import CycleAfterBlur, CycleAfterJpeg, CycleAfterNoise, CycleConsistency
from cgkit.contracts import Cycle
from tests.conftest import load_image

PERTURBING = [CycleAfterJpeg(), CycleAfterBlur(), CycleAfterNoise()]


def smooth(count: int = 2, channels: int = 3) -> Tensor:
    draws = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 4, 4, generator=draws)
    return torch.nn.functional.interpolate(coarse, (32, 32), mode="bilinear") * 0.8 + 0.1


def cycle(sources: Tensor, translations: Tensor, back) -> Cycle:
    return Cycle(sources, translations, back(translations), back)


def test_consistency_is_the_mean_absolute_difference_of_reconstructions() -> None:
    sources = smooth()
    metric = CycleConsistency()
    assert metric(cycle(sources, sources, lambda images: images)).tolist() == [0, 0]
    assert metric(cycle(sources, sources, lambda images: images + 0.1)).tolist() == pytest.approx([0.1, 0.1])


@pytest.mark.parametrize("metric", PERTURBING, ids=lambda metric: type(metric).__name__)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_pattern_that_hides_the_source_is_detected(metric, channels: int) -> None:
    sources = smooth(channels=channels)
    # The translation is grey except for a faint chequered pattern, a thousandth of the source, which `back` decodes.
    chequered = 1 - 2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2)
    hiding = cycle(sources, 0.5 + chequered * sources / 1000, lambda images: (images - 0.5) * chequered * 1000)
    honest = cycle(sources, 1 - sources, lambda images: 1 - images)
    assert torch.allclose(hiding.cycled, sources, atol=1e-3)
    torch.manual_seed(0)
    hidden, plain = metric(hiding), metric(honest)
    assert (hidden > 0.1).all()
    assert (plain.abs() < 0.03).all()


def test_jpeg_gives_the_pixels_of_a_saved_file() -> None:
    images = smooth()
    read = CycleAfterJpeg(quality=40).perturb(images)
    file = io.BytesIO()
    pixels = images[1].mul(255).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(file, format="JPEG", quality=40)
    expected = torch.from_numpy(np.array(load_image(file))).permute(2, 0, 1) / 255
    assert torch.allclose(read[1], expected)
    assert read.shape == images.shape


def test_noise_depends_on_the_seed_and_has_the_given_deviation() -> None:
    metric, images = CycleAfterNoise(sigma=0.05), torch.full((2, 3, 64, 64), 0.5)
    torch.manual_seed(1)
    first = metric.perturb(images)
    torch.manual_seed(1)
    assert torch.equal(metric.perturb(images), first)
    assert float((first - images).std()) == pytest.approx(0.05, rel=0.05)


@pytest.mark.parametrize("size", [(1, 1), (2, 9), (5, 4)])
def test_tiny_images_can_be_blurred(size: tuple[int, int]) -> None:
    assert CycleAfterBlur(sigma=3.0).perturb(torch.rand(1, 3, *size)).shape == (1, 3, *size)
