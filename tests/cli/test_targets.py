"""A component may be a class, a function, a `functools.partial` or an object that can be called."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Cli = Callable[..., Result]

PLUGIN = '''
import functools

import cgkit
from torch import nn


class Line(nn.Sequential):
    """Mixes channels.

    Args:
        kernel: side of the kernel.
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int = 1) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2), nn.Tanh())

    @staticmethod
    def recommended(size: tuple[int, int]) -> dict[str, int]:
        return {"kernel": 5} if size[0] > 1000 else {}


class Failing(Line):
    """Fails in training."""

    def forward(self, images):
        if self.training:
            raise KeyError("late")
        return super().forward(images)


def line(in_channels: int, out_channels: int, *, kernel: int = 1) -> Line:
    """Mixes channels.

    Args:
        kernel: side of the kernel.
    """
    return Line(in_channels, out_channels, kernel=kernel)


class Lines:
    """Mixes channels.

    Args:
        kernel: side of the kernel.
    """

    def __call__(self, in_channels: int, out_channels: int, *, kernel: int = 1) -> Line:
        return Line(in_channels, out_channels, kernel=kernel)


@cgkit.hookimpl
def cgkit_register(registries):
    registries.generators.add("class", Line)
    registries.generators.add("function", line)
    registries.generators.add("partial", functools.partial(Line, kernel=3))
    registries.generators.add("object", Lines())
    registries.generators.add("failing", functools.partial(Failing, kernel=3))
'''


@pytest.fixture
def plugin(tmp_path: Path) -> tuple[str, Path]:
    file = tmp_path / "targets.py"
    file.write_text(PLUGIN)
    return "--plugin", file


@pytest.mark.parametrize(
    ("target", "source", "kernel"),
    [("class", "Line", 1), ("function", "line", 1), ("partial", "Line", 3), ("object", "Lines", 1)],
)
def test_each_is_described_checked_and_listed(
    target: str, source: str, kernel: int, cgkit: Cli, plugin: tuple[str, Path]
) -> None:
    description = cgkit("describe", "generator", target, *plugin, "--json").json
    assert description["documentation"] == "Mixes channels."
    assert description["source"] == f"cgkit_plugin_targets:{source} in {plugin[1]}"
    (option,) = description["options"]
    assert (option["default"], option["meaning"]) == (kernel, "side of the kernel.")
    listed = cgkit("list-components", "--kind", "generator", *plugin, "--json").json["components"]
    assert [c["summary"] for c in listed if c["name"] == target] == ["Mixes channels."]
    assert cgkit("plugins", "check", plugin[1], "--component", target).code == 0


def test_the_plugin_of_a_partial_that_fails_is_named(
    cgkit: Cli, plugin: tuple[str, Path], tiny_spec: Path, tmp_path: Path
) -> None:
    tiny_spec.write_text(tiny_spec.read_text().replace('"resnet"\nwidth = 4\nblocks = 1', '"failing"'))
    result = cgkit("run", tiny_spec, "--output", tmp_path / "run", *plugin)
    assert result.code == 4
    assert "error: targets.py failed: KeyError: 'late'" in result.err
