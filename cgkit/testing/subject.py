"""A component under test: how it is built, small, and what it is shown."""

from __future__ import annotations

import functools
import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.options import REQUIRED, build, options_of, recommended_options
from cgkit.registry import Component

SIZES = (32, 64, 128, 256)
"""Heights that are tried until a network takes one."""


class Subject:
    """A component, its options, and the folder that its example may be made in.

    Args:
        component: what is tested.
        options: what it is built with; by default those of its `example(folder)`, where it has one, or none.
        folder: an empty folder.
    """

    def __init__(self, component: Component, folder: Path, options: Mapping[str, Any] | None = None) -> None:
        self.component = component
        self.kind = component.kind.name
        self.folder = folder
        self._given_options = options

    @functools.cached_property
    def options(self) -> dict[str, Any]:
        """What it is built with, as a spec would say it."""
        if self._given_options is not None:
            return dict(self._given_options)
        example = getattr(self.component.load(), "example", None)
        if example is None:
            return {}
        place = self.folder / "example"
        place.mkdir(exist_ok=True)
        return {name: _as_in_a_spec(value) for name, value in example(place).items()}

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return options with what the component recommends and its defaults, as JSON values."""
        known = options_of(self.component)
        defaults = {
            name: _as_in_a_spec(option.default) for name, option in known.items() if option.default is not REQUIRED
        }
        return {**defaults, **recommended_options(self.component, (64, 64)), **given}

    def build(self, *given: Any, seed: int = 0) -> Any:
        """Build it, its weights drawn from a seed."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build(self.component, *(given or self.given), options=self.complete(self.options))

    @property
    def given(self) -> tuple[Any, ...]:
        """What the engine supplies when it builds one of this kind."""
        values: dict[str, Any] = {"in_channels": 3, "out_channels": 3, "size": (32, 32), "folder": self.folder}
        return tuple(values[name] for name in self.component.kind.given)

    def network(self, *given: Any, seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Module:
        """Build a network in evaluation mode."""
        network: nn.Module = self.build(*given, seed=seed)
        return network.to(dtype).eval()

    @functools.cached_property
    def size(self) -> tuple[int, int]:
        """The smallest height and width of a few that the network takes."""
        network = self.network()
        stride = int(getattr(network, "stride", 1))
        for side in SIZES:
            side = math.ceil(side / stride) * stride
            try:
                with torch.no_grad():
                    network(torch.zeros(1, 3, side, side))
            except ValueError:
                continue
            return side, side
        raise AssertionError(f"takes no image of any of the heights {', '.join(map(str, SIZES))}")

    def images(self, batch: int = 1, channels: int = 3, *, dtype: torch.dtype = torch.float32, seed: int = 0) -> Tensor:
        """Return noise in [-1, 1] of a size that the network takes."""
        draws = torch.Generator().manual_seed(seed)
        return torch.rand(batch, channels, *self.size, generator=draws, dtype=torch.float64).to(dtype) * 2 - 1


@contextmanager
def subject_of(component: Component, options: Mapping[str, Any] | None = None) -> Iterator[Subject]:
    """Yield a component as a subject, with a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="cgkit-testing-") as folder:
        yield Subject(component, Path(folder), options)


def scales_of(made: Any) -> list[Tensor]:
    """Return what a network made as a list: a discriminator may judge at several scales."""
    return list(made) if isinstance(made, (list, tuple)) else [made]


def functional(made: Any, layout: torch.memory_format = torch.contiguous_format) -> Tensor:
    """Return a random linear functional of what a network made; its gradient arrives in a layout."""
    random = torch.Generator().manual_seed(1)
    total = torch.zeros((), dtype=scales_of(made)[0].dtype)
    for one in scales_of(made):
        weights = torch.randn(one.shape, dtype=torch.float64, generator=random).to(one.dtype)
        total = total + (one * weights.to(memory_format=layout)).sum()
    return total


def relative_difference(one: Tensor, other: Tensor) -> float:
    """Return the length of the difference as a share of the second one's length."""
    one, other = one.detach().double(), other.detach().double()
    return float((one - other).norm() / other.norm().clamp(min=1e-300))


def _as_in_a_spec(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (tuple, list)):
        return [_as_in_a_spec(one) for one in value]
    return value
