"""CycleGAN in one file computes the losses of the published implementation, and trains as a command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from tests.golden.start import FOLDER, golden_tensors
from tests.golden.test_trajectories import CASES, NAMES

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    import plain_cyclegan

    return plain_cyclegan


@pytest.mark.parametrize(("case", "loss", "blocks"), CASES)
def test_every_loss_of_every_step_agrees_in_float64(plain: ModuleType, case: str, loss: str, blocks: int) -> None:
    tensors = golden_tensors(case)
    model = plain.CycleGAN(width=8, blocks=blocks, pool=0, loss=loss).double()
    # The publication's D_A judges images of domain B.
    networks = {
        "G_A": model.generators["a2b"],
        "G_B": model.generators["b2a"],
        "D_A": model.discriminators["b"],
        "D_B": model.discriminators["a"],
    }
    for prefix, network in networks.items():
        load_published(network, {name: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}.")})
    for number, published in enumerate(json.loads((FOLDER / f"{case}.json").read_text())["losses"]):
        losses = model.step(tensors["input.A"][number].double(), tensors["input.B"][number].double())
        assert {theirs: losses[ours] for theirs, ours in NAMES.items()} == pytest.approx(published, rel=1e-9)


@torch.no_grad()
def load_published(network: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Load published weights: both networks have the same convolutions, in the order of the published numbers."""
    parameters = dict(network.named_parameters())
    assert len(parameters) == len(tensors)
    for parameter, name in zip(parameters.values(), sorted(tensors, key=position), strict=True):
        assert parameter.shape == tensors[name].shape, name
        parameter.copy_(tensors[name])


def position(name: str) -> tuple[list[int], bool]:
    numbers = [int(part) for part in name.split(".") if part.isdigit()]
    return numbers, name.endswith("bias")


def test_the_pool_returns_an_older_image_half_of_the_time(plain: ModuleType) -> None:
    pool = plain.ImagePool(5)
    images = torch.arange(300.0).view(-1, 1, 1, 1)
    returned = torch.cat([pool.exchange(image[None]) for image in images]).flatten()
    assert torch.equal(returned[:5], images.flatten()[:5])
    older = (returned[5:] != images.flatten()[5:]).float().mean()
    assert 0.35 < older < 0.65
    assert len(pool.images) == 5


@pytest.mark.parametrize("arguments", [(), ("--folders", "photos", "paintings")], ids=["random tensors", "folders"])
def test_it_trains_as_a_command(arguments: tuple[str, ...], tmp_path: Path, image_folder: Callable[..., Path]) -> None:
    image_folder("photos")
    image_folder("paintings")
    command = [sys.executable, str(EXAMPLES / "plain_cyclegan.py"), *arguments, "--size", "32", "--width", "2"]
    done = subprocess.run([*command, "--steps", "2"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.match(r"step 2: adversarial_a2b \d+\.\d+, .*discriminator_a \d+\.\d+$", done.stdout)
    assert (tmp_path / "plain_cyclegan.pt").is_file()
