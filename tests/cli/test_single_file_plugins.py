"""`--plugin FILE.py`: a plugin without a package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Result

Cli = Callable[..., Result]

SOURCE = '''
import cgkit
import torch


class Line(torch.nn.Module):
    """Mixes the channels of each pixel.

    Args:
        bias: add a constant to each channel.
    """

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool = True) -> None:
        super().__init__()
        self.mix = torch.nn.Conv2d(in_channels, out_channels, 1, bias=bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.mix(images).tanh()


@cgkit.hookimpl
def cgkit_register(registries):
    registries.generators.add("line", Line)
'''


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "my line.py"
    file.write_text(SOURCE)
    return file


def test_its_components_are_listed_and_described_with_the_files_name(cgkit: Cli, plugin: Path) -> None:
    (line,) = [
        one
        for one in cgkit("list-components", "--plugin", plugin, "--json").json["components"]
        if one["name"] == "line"
    ]
    assert line["provider"] == "my line.py"
    assert line["summary"] == "Mixes the channels of each pixel."
    described = cgkit("describe", "generator", "line", "--plugin", plugin).out
    assert "bias: bool, default true" in described
    assert "requires" not in described, "a file is no package that could be required"


def test_it_trains_and_translates(cgkit: Cli, plugin: Path, tiny_spec: Path, tmp_path: Path) -> None:
    text = tiny_spec.read_text().replace('name = "resnet"\nwidth = 4\nblocks = 1\n', 'name = "line"\n')
    tiny_spec.write_text(text)
    run = tmp_path / "run"
    assert cgkit("run", tiny_spec, "--output", run).code == 2
    assert cgkit("run", tiny_spec, "--output", run, "--plugin", plugin).code == 0
    sheets = run / "samples"
    assert cgkit("translate", run, sheets, "--output", tmp_path / "out", "--plugin", plugin).code == 0
    assert list((tmp_path / "out").iterdir())


def test_the_option_may_stand_before_the_command_and_several_times(cgkit: Cli, plugin: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(SOURCE.replace('"line"', '"other"'))
    result = cgkit(
        "--plugin", plugin, "--no-plugins", "plugins", "list", "--plugin", other, "--plugin", plugin, "--json"
    )
    assert [one["distribution"] for one in result.json["plugins"]] == ["cgkit", "my line.py", "other.py"]


def test_one_that_fails_is_reported_in_one_line_and_the_others_go_on(cgkit: Cli, tmp_path: Path, plugin: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def nothing(:\n")
    result = cgkit("list-components", "--plugin", broken, "--plugin", plugin)
    assert result.code == 0
    (warning,) = result.err.splitlines()
    assert "broken.py" in warning
    assert "SyntaxError" in warning
    assert "my line.py" in result.out


def test_two_files_of_one_name_are_not_mixed_up(cgkit: Cli, tmp_path: Path, plugin: Path) -> None:
    other = tmp_path / "elsewhere" / plugin.name
    other.parent.mkdir()
    other.write_text(SOURCE.replace('"line"', '"other"'))
    result = cgkit("list-components", "--plugin", plugin, "--plugin", other)
    assert "another plugin file has the same name" in result.err
    assert "other" not in [line.split()[0] for line in result.out.splitlines() if line.startswith("  ")]


def test_a_file_that_is_not_there_is_a_usage_error(cgkit: Cli, tmp_path: Path) -> None:
    result = cgkit("list-components", "--plugin", tmp_path / "none.py")
    assert (result.code, result.out) == (2, "")
    assert "none.py: there is no such file" in result.err
