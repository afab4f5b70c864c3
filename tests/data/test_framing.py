from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.data.framing import cover

SIDE = st.integers(1, 60)


@settings(deadline=None)
@given(height=SIDE, width=SIDE, rows=SIDE, columns=SIDE, channels=st.sampled_from([1, 3]))
def test_an_image_of_any_size_covers_any_size(height: int, width: int, rows: int, columns: int, channels: int) -> None:
    framed = cover(torch.rand(channels, height, width), (rows, columns))
    assert framed.shape == (channels, rows, columns)
    assert framed.min() >= 0
    assert framed.max() <= 1


def test_an_image_of_the_right_size_is_returned_unchanged() -> None:
    image = torch.rand(3, 8, 12)
    assert cover(image, (8, 12)) is image


def test_the_centre_is_kept() -> None:
    image = torch.zeros(1, 8, 24)
    image[:, :, 8:16] = 1
    assert float(cover(image, (8, 8)).mean()) == 1


def test_a_long_strip_is_cropped_before_scaling() -> None:
    assert cover(torch.rand(1, 2, 100_000), (256, 256)).shape == (1, 256, 256)
