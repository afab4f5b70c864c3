"""Components are interchangeable: every combination of built-in generators, discriminators and losses trains."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.start import run

SMALL = """
name = "swap"

[data]
source = "seasons"
size = 32
train = 4
test = 2

[train]
steps = 2
precision = "fp32"

[generator]
width = 2

[discriminator]
width = 2

[evaluation]
count = 2
"""
REGISTRIES = load_plugins(installed=False).registries
NAMES = {kind: [component.name for component in REGISTRIES[kind]] for kind in ("generators", "discriminators")}
LOSSES = [component.name for component in REGISTRIES.adversarial_losses]
OPTIONS = {"unet": ["generator.depth=3"], "multiscale": ["discriminator.layers=1", "discriminator.scales=2"]}


pytestmark = pytest.mark.gpu


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "spec.toml"
    file.write_text(SMALL)
    return file


@pytest.mark.parametrize(
    ("generator", "discriminator", "loss"),
    list(itertools.product(NAMES["generators"], NAMES["discriminators"], LOSSES)),
)
def test_every_generator_discriminator_and_adversarial_loss_train_together(
    spec: Path, plugins: Plugins, generator: str, discriminator: str, loss: str
) -> None:
    overrides = [f"generator.name={generator}", f"discriminator.name={discriminator}", f"adversarial_loss.name={loss}"]
    overrides += [option for name in (generator, discriminator) for option in OPTIONS.get(name, [])]
    assert run(spec, overrides=overrides, output=spec.parent / "run", plugins=plugins).step == 2


@pytest.mark.parametrize("name", [component.name for component in REGISTRIES.augmentations])
def test_every_augmentation_trains(spec: Path, plugins: Plugins, name: str) -> None:
    with spec.open("a") as stream:
        stream.write(f'\n[[augmentation]]\nname = "{name}"\n')
    assert run(spec, output=spec.parent / "run", plugins=plugins).step == 2


@pytest.mark.parametrize("name", [component.name for component in REGISTRIES.reconstruction_losses])
@pytest.mark.parametrize("term", ["cycle_loss", "identity_loss"])
def test_every_reconstruction_loss_trains(spec: Path, plugins: Plugins, term: str, name: str) -> None:
    assert run(spec, overrides=[f"{term}.name={name}"], output=spec.parent / "run", plugins=plugins).step == 2


@pytest.mark.parametrize("name", [component.name for component in REGISTRIES.schedules])
def test_every_schedule_trains(spec: Path, plugins: Plugins, name: str) -> None:
    assert run(spec, overrides=[f"schedule.name={name}"], output=spec.parent / "run", plugins=plugins).step == 2


@pytest.mark.parametrize("name", [component.name for component in REGISTRIES.optimizers])
def test_every_optimizer_trains(spec: Path, plugins: Plugins, name: str) -> None:
    assert run(spec, overrides=[f"optimizer.name={name}"], output=spec.parent / "run", plugins=plugins).step == 2


def test_directions_can_have_different_generators(spec: Path, plugins: Plugins) -> None:
    with spec.open("a") as stream:
        stream.write('\n[generator.b2a]\nname = "unet"\ndepth = 2\nwidth = 3\n')
    assert run(spec, output=spec.parent / "run", plugins=plugins).step == 2
