"""The component under test: how to build it, and inputs that suit it."""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from pydantic_core import to_jsonable_python
from torch import Tensor, nn

from cgkit.abilities import stride_of
from cgkit.data.randomness import seeded
from cgkit.options import REQUIRED, build, options_of, recommended_options
from cgkit.registry import Component

SIZES = (32, 64, 128, 256)
"""Sides in pixels of the square images to try, in order, until a network accepts one."""


class Subject:
    """A component under test, its options, and a folder for its example.

    Args:
        component: the component under test.
        folder: an empty folder for the files of the example.
        options: the options to build the component with; by default those that its `example` returns, if it has one.
    """

    def __init__(self, component: Component, folder: Path, options: Mapping[str, Any] | None = None) -> None:
        self.component = component
        self.kind = component.kind.name
        self.folder = folder
        self._given_options = options

    @functools.cached_property
    def options(self) -> dict[str, Any]:
        """The options to build the component with, as JSON values."""
        if self._given_options is not None:
            return dict(self._given_options)
        example = getattr(self.component.definition, "example", None)
        if example is None:
            return {}
        folder = self.folder / "example"
        folder.mkdir(exist_ok=True)
        return {name: to_jsonable_python(value) for name, value in example(folder).items()}

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Add the component's recommended options and defaults to the given options; return all as JSON values."""
        known = options_of(self.component)
        defaults = {name: option.default_json for name, option in known.items() if option.default is not REQUIRED}
        return {**defaults, **recommended_options(self.component, (64, 64)), **given}

    def build(self, *given: Any, seed: int = 0) -> Any:
        """Build the component with torch's generator seeded with `seed`, so that network weights are reproducible."""
        with seeded(seed):
            return build(self.component, *(given or self.given), options=self.complete(self.options))

    @property
    def given(self) -> tuple[Any, ...]:
        """The positional arguments with which the engine would build the component."""
        values: dict[str, Any] = {"in_channels": 3, "out_channels": 3, "size": (32, 32), "folder": self.folder}
        values |= {"parameters": [nn.Parameter(torch.ones(2, 2))], "learning_rate": 1e-3}
        return tuple(values[name] for name in self.component.kind.given)

    def network(self, *given: Any, seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Module:
        """Build a network in evaluation mode."""
        network: nn.Module = self.build(*given, seed=seed)
        return network.to(dtype).eval()

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """The height and width of the smallest image, among `SIZES`, that the network accepts."""
        network = self.network()
        stride = stride_of(network)
        for side in SIZES:
            side = math.ceil(side / stride) * stride
            try:
                with torch.no_grad():
                    network(torch.zeros(1, 3, side, side))
            except ValueError:
                continue
            return side, side
        raise AssertionError(f"accepts no square image of {', '.join(map(str, SIZES))} pixels")

    def images(self, batch: int = 1, channels: int = 3, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
        """Return a batch of noise in [-1, 1], of a size that the network accepts."""
        random = torch.Generator().manual_seed(seed)
        return torch.rand(batch, channels, *self.size, generator=random, dtype=torch.float64).to(dtype) * 2 - 1


@contextmanager
def subject_of(component: Component, options: Mapping[str, Any] | None = None) -> Iterator[Subject]:
    """Yield a subject for a component, with a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="cgkit-testing-") as folder:
        yield Subject(component, Path(folder), options)


def scales_of(output: Any) -> list[Tensor]:
    """Return the outputs of a network as a list, because a discriminator may have several scales."""
    return list(output) if isinstance(output, (list, tuple)) else [output]


def functional(output: Any, layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    """Return a random linear functional of a network's output; its gradient has the given memory layout."""
    random = torch.Generator().manual_seed(1)
    total = torch.zeros((), dtype=scales_of(output)[0].dtype)
    for scale in scales_of(output):
        weights = torch.randn(scale.shape, dtype=torch.float64, generator=random).to(scale.dtype)
        total = total + (scale * weights.to(memory_format=layout)).sum()
    return total


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Return the norm of the difference, relative to the norm of the expected tensor."""
    actual, expected = actual.detach().double(), expected.detach().double()
    return float((actual - expected).norm() / expected.norm().clamp(min=1e-300))
