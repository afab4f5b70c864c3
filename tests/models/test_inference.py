from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from cgkit.engine.precision import Precision
from cgkit.models.inference import translation_by

FP32 = Precision("fp32", torch.device("cpu"))


class Strict(nn.Module):
    """The identity, for images that are multiples of its stride."""

    stride = 8

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        assert images.shape[-1] % 8 == images.shape[-2] % 8 == 0
        assert images.min() >= -1
        assert images.max() <= 1
        return images


@settings(deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), count=st.integers(1, 2))
def test_translations_have_the_size_of_their_sources(height: int, width: int, count: int) -> None:
    images = torch.rand(count, 3, height, width)
    torch.testing.assert_close(translation_by(Strict(), FP32)(images), images, rtol=0, atol=1e-6)


def test_a_generator_translates_in_evaluation_mode_and_keeps_its_mode() -> None:
    generator = nn.Sequential(nn.Dropout(0.9))
    images = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(translation_by(generator, FP32)(images), images)
    assert generator.training


def test_values_outside_the_range_are_clipped() -> None:
    class Loud(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images * 9

    translated = translation_by(Loud(), FP32)(torch.rand(1, 3, 8, 8))
    assert translated.min() >= 0
    assert translated.max() <= 1
