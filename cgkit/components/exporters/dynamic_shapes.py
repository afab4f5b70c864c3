"""What torch's tracers need to trace a network for any batch size, height and width."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.export import Dim


def example_images(example: Tensor, stride: int) -> Tensor:
    """Return two small images to trace with, because the tracer would treat a batch size of one as a constant."""
    return torch.rand(2, example.shape[1], 3 * stride, 4 * stride)


def dynamic_shapes(stride: int) -> tuple[dict[int, Any]]:
    """Return the dynamic dimensions: the batch size, and height and width in multiples of the stride.

    Height and width are at least two strides: at one stride, feature maps may be a single pixel wide, and the tracer
    would restrict the program to that case.
    """
    return ({0: Dim("n", min=1), 2: stride * Dim("h", min=2), 3: stride * Dim("w", min=2)},)
