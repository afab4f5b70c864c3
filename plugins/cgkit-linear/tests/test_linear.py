"""A single convolution can learn a change of colours, and the plugin is listed and can be trained."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from cgkit_linear.generator import LinearGenerator
from torch.nn import functional as F

README = Path(__file__).parents[1] / "README.md"

TINY = """
name = "linear"

[data]
source = "seasons"
size = 16
train = 4
test = 2
workers = 0

[discriminator]
name = "patch"
width = 4
layers = 1

[train]
steps = 2
batch = 2
precision = "fp32"

[samples]
every = 2
count = 1

[evaluation]
count = 2
"""


def python(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_colour_change_is_learned_in_a_few_steps() -> None:
    torch.manual_seed(0)
    images = torch.rand(4, 3, 8, 8) - 0.5
    targets = images[:, [2, 0, 1]] * 0.8  # permute the channels
    network = LinearGenerator(3, 3)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        loss = F.l1_loss(network(images), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.2 * losses[0]
    matrix = network[0].weight[:, :, 0, 0]
    assert matrix.argmax(1).tolist() == [2, 0, 1]


def test_the_translation_of_a_pixel_does_not_depend_on_its_position() -> None:
    torch.manual_seed(0)
    images = torch.rand(1, 3, 5, 7) * 2 - 1
    network = LinearGenerator(3, 1).eval()
    torch.testing.assert_close(network(images.flip(-1)), network(images).flip(-1))
    torch.testing.assert_close(network(images[..., 2:3, 4:5]), network(images)[..., 2:3, 4:5])


def test_without_a_bias_mid_grey_stays_mid_grey() -> None:
    grey = torch.zeros(1, 3, 4, 4)
    torch.manual_seed(0)
    assert torch.equal(LinearGenerator(3, 3, bias=False)(grey), grey)
    assert not torch.equal(LinearGenerator(3, 3)(grey), grey)


def test_it_trains_from_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(TINY + snippet())
    done = python("-m", "cgkit", "run", tmp_path / "spec.toml", "--output", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["step"]) == ("finished", 2)


def test_listing_it_does_not_import_torch() -> None:
    code = (
        "import sys, cgkit_linear\n"
        "from cgkit import load_plugins\n"
        "component = load_plugins().registries.generators['cgkit-linear/linear']\n"
        "print(component.summary, 'torch' in sys.modules)"
    )
    done = python("-c", code)
    assert done.stdout.strip() == "A linear map of colours. False", done.stderr


def test_the_readme_shows_the_files_verbatim() -> None:
    fences = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    files = ("generator.py", "__init__.py")
    assert fences == [(README.parent / "cgkit_linear" / name).read_text(encoding="utf-8") for name in files]


def snippet() -> str:
    match = re.search(r"```toml\n(\[generator\]\n.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert match
    return match[1]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)
