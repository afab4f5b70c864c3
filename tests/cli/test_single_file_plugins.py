"""`--plugin FILE.py`: a plugin in a single file."""

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


def test_its_components_are_listed_and_described_under_the_name_of_the_file(cgkit: Cli, plugin: Path) -> None:
    components = cgkit("list-components", "--plugin", plugin, "--json").json["components"]
    (line,) = [component for component in components if component["name"] == "line"]
    assert line["provider"] == "my line.py"
    assert line["summary"] == "Mixes the channels of each pixel."
    description = cgkit("describe", "generator", "line", "--plugin", plugin).out
    assert "bias: bool, default true" in description
    assert "requires" not in description, "a file is not a package that a spec can require"


def test_it_trains_and_translates(cgkit: Cli, plugin: Path, tiny_spec: Path, tmp_path: Path) -> None:
    text = tiny_spec.read_text().replace('name = "resnet"\nwidth = 4\nblocks = 1\n', 'name = "line"\n')
    tiny_spec.write_text(text)
    run = tmp_path / "run"
    assert cgkit("run", tiny_spec, "--output", run).code == 2
    assert cgkit("run", tiny_spec, "--output", run, "--plugin", plugin).code == 0
    sheets = run / "samples"
    assert cgkit("translate", run, sheets, "--output", tmp_path / "out", "--plugin", plugin).code == 0
    assert list((tmp_path / "out").iterdir())


def test_the_option_can_precede_the_command_and_be_repeated(cgkit: Cli, plugin: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(SOURCE.replace('"line"', '"other"'))
    result = cgkit(
        "--plugin", plugin, "--no-plugins", "plugins", "list", "--plugin", other, "--plugin", plugin, "--json"
    )
    assert [status["distribution"] for status in result.json["plugins"]] == ["cgkit", "my line.py", "other.py"]


def test_a_failing_file_is_reported_in_one_line_and_the_others_load(cgkit: Cli, tmp_path: Path, plugin: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def nothing(:\n")
    result = cgkit("list-components", "--plugin", broken, "--plugin", plugin)
    assert result.code == 0
    (warning,) = result.err.splitlines()
    assert "broken.py" in warning
    assert "SyntaxError" in warning
    assert "my line.py" in result.out


def test_a_second_file_of_the_same_name_is_rejected(cgkit: Cli, tmp_path: Path, plugin: Path) -> None:
    other = tmp_path / "elsewhere" / plugin.name
    other.parent.mkdir()
    other.write_text(SOURCE.replace('"line"', '"other"'))
    result = cgkit("list-components", "--plugin", plugin, "--plugin", other)
    assert "another plugin file has the same name" in result.err
    assert "other" not in [line.split()[0] for line in result.out.splitlines() if line.startswith("  ")]


def test_a_missing_file_is_a_usage_error(cgkit: Cli, tmp_path: Path) -> None:
    result = cgkit("list-components", "--plugin", tmp_path / "none.py")
    assert (result.code, result.out) == (2, "")
    assert "none.py: there is no such file" in result.err
