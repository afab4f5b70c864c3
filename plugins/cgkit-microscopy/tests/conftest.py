"""Stacks and slides, made by tifffile, a model that returns its input, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from cgkit.cli import main

Cli = Callable[..., tuple[int, str]]
Model = Callable[..., Path]
Write = Callable[..., Path]

IDENTITY = '''
import torch
import cgkit

class Same(torch.nn.Module):
    """Returns its input, or its mean in all channels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.parameter = torch.nn.Parameter(torch.zeros(1))
        self.out_channels = out_channels

    def forward(self, images):
        images = images + 0 * self.parameter
        if images.shape[1] == self.out_channels:
            return images
        return images.mean(1, keepdim=True).repeat(1, self.out_channels, 1, 1)

@cgkit.hookimpl
def cgkit_register(registries):
    registries.generators.add("same", Same)
'''

SPEC = """
name = "tiny"

[data]
source = "folder"
a = "a"
b = "b"
channels = CHANNELS
range = RANGE
size = 16
workers = 1

[generator]
GENERATOR

[discriminator]
name = "patch"
width = 4
layers = 1

[train]
steps = 1
precision = "fp32"

[samples]
count = 1
"""

RESNET = 'name = "resnet"\nwidth = 4\nblocks = 1'


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def cgkit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """The command line, in this process: `cgkit("run", spec)` returns its exit code and messages."""
    plugin = tmp_path / "identity.py"
    plugin.write_text(IDENTITY)

    def call(*arguments: object) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main(["--plugin", str(plugin), *(str(argument) for argument in arguments)])
        return int(stop.value.code or 0), " ".join(capsys.readouterr().err.split())

    return call


@pytest.fixture
def model(cgkit: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Make a model: `model(channels=1, depth="uint8", more="...")` returns its run folder.

    `channels` may be those of both domains. By default, the model returns its input.
    """

    def train(
        channels: int | tuple[int, int] = 1,
        depth: str = "uint8",
        span: str = "[0, 255]",
        generator: str = 'name = "same"',
        more: str = "",
    ) -> Path:
        monkeypatch.chdir(tmp_path)
        both = channels if isinstance(channels, tuple) else (channels, channels)
        for folder, count in zip("ab", both, strict=True):
            (tmp_path / folder).mkdir()
            for number in range(3):
                values = np.random.default_rng(number).integers(0, 255, (20, 24, count)).astype(depth)
                tifffile.imwrite(
                    tmp_path / folder / f"{number}.tif",
                    values if count > 1 else values[..., 0],
                    photometric="rgb" if count == 3 else "minisblack",
                    **({"planarconfig": "contig"} if count > 1 else {}),
                )
        text = SPEC.replace("CHANNELS", f"{{ a = {both[0]}, b = {both[1]} }}")
        more += "\n[objective]\nidentity = 0\n" * (both[0] != both[1])
        (tmp_path / "spec.toml").write_text(text.replace("RANGE", span).replace("GENERATOR", generator) + more)
        code, messages = cgkit("run", "spec.toml", "--output", "run")
        assert code == 0, messages
        return tmp_path / "run"

    return train


def option(name: str, **options: Any) -> str:
    """Return the part of a spec that sets options of a format."""
    import json

    lines = [f"{key} = {json.dumps(value)}" for key, value in options.items()]
    return "\n".join(["", "[[format]]", f'name = "{name}"', *lines, ""])


@pytest.fixture
def stack(tmp_path: Path) -> Write:
    """Write a file with tifffile: `stack("in/x.tif", values, imagej=True, metadata={...})`."""

    def write(name: str, values: NDArray[Any], **options: Any) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(file, values, **options)
        return file

    return write


def values_of(file: Path) -> tuple[str, NDArray[Any]]:
    """Return the axes and the values of the first image of a file."""
    with tifffile.TiffFile(file) as opened:
        return opened.series[0].axes, opened.series[0].asarray()
