"""A trained generator becomes a TorchScript file that computes the same, and is refused if it does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import cgkit

GENERATORS = """
import cgkit
from torch import nn

class Plain(nn.Module):
    '''A convolution that brightens images of many pixels; a trace records only one of both cases.'''

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, images):
        translations = self.convolution(images).tanh()
        if images.shape[-1] > 12:
            translations = translations * 0.5
        return translations

@cgkit.hookimpl
def cgkit_register(registries):
    registries.generators.add("plain", Plain)
"""

TINY = """
[data]
source = "seasons"
size = 16
train = 4
test = 2
workers = 0

[generator]
name = "GENERATOR"

[discriminator]
name = "patch"
width = 4
layers = 1

[train]
steps = 1
"""


def call(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run `cgkit` in a folder; return what it printed."""
    command = [sys.executable, "-m", "cgkit", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the run `resnet` of a small residual generator."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "spec.toml").write_text(TINY.replace('"GENERATOR"', '"resnet"\nwidth = 4\nblocks = 1'))
    call(folder, "run", "spec.toml", "--output", "resnet")
    return folder


@pytest.fixture(scope="module")
def branching(folder: Path) -> Path:
    """Return the folder with the run `plain` of a generator with a branch, in `plain.py`."""
    (folder / "plain.py").write_text(GENERATORS)
    (folder / "plain.toml").write_text(TINY.replace("GENERATOR", "plain"))
    call(folder, "run", "plain.toml", "--output", "plain", "--plugin", "plain.py")
    return folder


@pytest.mark.parametrize("freeze", ["true", "false"])
def test_the_file_translates_images_of_any_number_and_size(folder: Path, freeze: str) -> None:
    file = folder / f"{freeze}.pt"
    option = ("--option", f"freeze={freeze}")
    assert "differs from the generator by at most" in call(
        folder, "export", "resnet", "--format", "torchscript", *option, "--output", file.name
    )
    network = torch.jit.load(str(file))
    translator = cgkit.Translator.load(folder / "resnet", device="cpu", precision="fp32")
    for shape in ((1, 3, 16, 16), (3, 3, 24, 40)):
        images = torch.rand(shape)
        assert (network(images) - translator.translate(images)).abs().max() <= 1e-4


def test_the_file_says_what_it_is(folder: Path) -> None:
    call(folder, "export", "resnet", "--format", "torchscript", "--direction", "b2a", "--output", "b2a.pt")
    extra = {"cgkit.json": ""}
    torch.jit.load(str(folder / "b2a.pt"), _extra_files=extra)
    notes = json.loads(extra["cgkit.json"])
    assert notes["direction"] == "b2a"
    assert float(notes["largest_difference"]) <= 1e-4


def test_a_trace_that_lost_a_branch_is_refused_and_a_script_keeps_it(branching: Path) -> None:
    export = ("export", "plain", "--plugin", "plain.py", "--format", "torchscript")
    assert "differs from the generator" in call(branching, *export, "--output", "lost.pt", code=5)
    assert not (branching / "lost.pt").exists()
    call(branching, *export, "--option", "method=script", "--output", "kept.pt")
    call(branching, *export, "--option", "any_size=false", "--output", "fixed.pt")


def test_a_network_that_cannot_be_compiled_is_explained(folder: Path) -> None:
    options = ("--format", "torchscript", "--option", "method=script", "--output", "resnet.pt")
    assert "cannot be written as torchscript" in call(folder, "export", "resnet", *options, code=5)
    assert not (folder / "resnet.pt").exists()
