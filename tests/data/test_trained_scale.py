"""The scale of training images is measured as training frames them."""

from __future__ import annotations

from collections import Counter

import pytest
from torch import Tensor, nn

from cgkit.components.augmentations.resize_and_crop import ResizeAndCrop
from cgkit.components.sources.seasons import Seasons
from cgkit.data.preparation import Preparation
from cgkit.data.trained_scale import measure_scale
from cgkit.images.pixels import PixelFormat

WIDE, TALL = (100, 400), (400, 100)


class Unknown(nn.Module):
    """A framing that does not say how it scales."""

    role = "framing"

    def forward(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        return image[..., : size[0], : size[1]]


@pytest.mark.parametrize(
    ("framing", "sizes", "expected"),
    [
        (None, [(256, 256)], (0.25, 0.25)),
        (None, [WIDE], (0.64, 0.64)),
        (None, [(32, 32), (128, 128)], (1, 1)),
        (ResizeAndCrop(scale=1.5), [WIDE], (0.96, 0.24)),
        (ResizeAndCrop(scale=1.5), [WIDE, TALL], (0.48, 0.48)),
        (ResizeAndCrop(scale=1.5, aspect="keep"), [WIDE], (0.96, 0.96)),
        (ResizeAndCrop(resize=False), [WIDE], (1, 1)),
        (Unknown(), [WIDE], None),
    ],
)
def test_the_scale_is_the_mean_factor_of_the_framing(
    framing: nn.Module | None, sizes: list[tuple[int, int]], expected: tuple[float, float] | None
) -> None:
    domain = Seasons((16, 16), train=2, test=2).train()[0]
    measured = measure_scale(domain, Counter(sizes), PixelFormat(), Preparation((64, 64), framing))
    assert measured == (None if expected is None else pytest.approx(expected, abs=1e-3))


def test_images_that_are_not_files_are_loaded_to_measure_them() -> None:
    domain = Seasons((16, 16), train=20, test=2).train()[0]
    assert measure_scale(domain, {}, PixelFormat(), Preparation((16, 16))) == (1, 1)
    assert measure_scale(domain, {}, PixelFormat(), Preparation((32, 32))) == (2, 2)
