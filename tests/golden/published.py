"""The published weights, under the names that the published code gave them, put into our networks."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn


@torch.no_grad()
def load_published(network: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Fill a network with published tensors, convolution by convolution.

    Both have their convolutions in the order in which an image meets them, the published ones by the numbers in
    `model.4.weight` and `model.10.conv_block.1.weight`. Biases that a norm removes have no counterpart and are left
    out; every other published tensor must find its place, and be of its shape.

    Args:
        network: what is filled, in any dtype.
        tensors: the published ones, their names without the network's prefix.
    """
    layers = [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))]
    names = sorted({name.rpartition(".")[0] for name in tensors}, key=_position)
    for layer, name in zip(layers, names, strict=True):
        _fill(layer.weight, tensors[f"{name}.weight"])
        if layer.bias is not None:
            _fill(layer.bias, tensors[f"{name}.bias"])


def _fill(parameter: Tensor, published: Tensor) -> None:
    assert parameter.shape == published.shape
    parameter.copy_(published)


def _position(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]
