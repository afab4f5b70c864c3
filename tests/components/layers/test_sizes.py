"""The check of an image's size, and its message."""

from __future__ import annotations

import pytest
import torch

from cgkit.components.layers.sizes import check_size


@pytest.mark.parametrize("size", [(8, 8), (8, 12), (16, 8)])
def test_a_supported_size_passes(size):
    check_size(torch.zeros(1, 3, *size), least=8, multiple=4)


@pytest.mark.parametrize("size", [(4, 8), (8, 4), (9, 8), (8, 10)])
def test_an_unsupported_size_is_named_with_the_supported_ones(size):
    message = rf"images of {size[0]}x{size[1]} pixels .* must be at least 8 and multiples of 4$"
    with pytest.raises(ValueError, match=message):
        check_size(torch.zeros(1, 3, *size), least=8, multiple=4)


def test_without_a_multiple_the_message_names_only_the_least_size():
    with pytest.raises(ValueError, match=r"height and width must be at least 24$"):
        check_size(torch.zeros(1, 3, 23, 30), least=24)
