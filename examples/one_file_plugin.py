"""A plugin in a single file, for experiments: cgkit run spec.toml --plugin one_file_plugin.py

In the spec:

    [generator]
    name = "one-layer"
    kernel = 5

To write a package that others can install: cgkit plugins new linear --kind generator
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from torch import nn

import cgkit
from cgkit.registry import Registries


class OneLayerGenerator(nn.Sequential):
    """One convolution and a tanh: the smallest possible generator.

    Args:
        kernel: height and width of the convolution kernel in pixels, an odd number.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel: Annotated[int, Ge(1), Le(31)] = 3) -> None:
        if kernel % 2 == 0:
            raise ValueError(f"a kernel of {kernel} pixels has no centre: choose an odd number")
        super().__init__(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2), nn.Tanh())


@cgkit.hookimpl
def cgkit_register(registries: Registries) -> None:
    """Register the generator."""
    registries.generators.add("one-layer", OneLayerGenerator)
