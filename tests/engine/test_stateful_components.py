"""Components with state: how the engine calls them, and that a run with them resumes exactly."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cgkit.checkpoints import read_latest
from cgkit.contracts import Role
from cgkit.engine.objective import Objective
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.preparation import prepare
from cgkit.runs.start import run
from cgkit.spec.loading import read_layers


class Remembering(nn.Module):
    """A discriminator that keeps the mean of the real and of the generated images it was trained on."""

    remembers_images = True

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.judge = nn.Conv2d(in_channels, 1, 3, padding=1)
        self.register_buffer("means", torch.zeros(2))
        self.register_buffer("shown", torch.zeros(2, 2, dtype=torch.int64))

    def forward(self, images: Tensor, *, real: bool = True, learning: bool = False) -> Tensor:
        self.shown[int(real), int(learning)] += 1
        if learning:
            self.means[int(real)] = 0.5 * self.means[int(real)] + images.detach().mean()
        return self.judge(images) + self.means.sum()  # type: ignore[no-any-return]


class Comparing(nn.Module):
    """A relativistic loss that counts its own calls."""

    wants_real_logits = True

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def discriminator_loss(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return (real_logits - fake_logits.mean() - 1).square().mean()

    def generator_loss(self, fake_logits: Tensor, real_logits: Tensor) -> Tensor:
        self.calls += 1
        return (fake_logits - real_logits.mean() - 1).square().mean()


class Adapting(nn.Module):
    """Brightens images by its discriminator's logits of real ones."""

    role: Role = "adversarial"

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.shift

    def observe(self, real_logits: Sequence[Tensor]) -> None:
        assert not any(logits.requires_grad for logits in real_logits)
        self.shift += 0.01 * torch.stack([logits.mean() for logits in real_logits]).mean()


class Whitening(nn.Module):
    """A distance with a weight that is drawn once and never trained."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(3, 1, 1))

    def forward(self, reconstruction: Tensor, target: Tensor) -> Tensor:
        return (self.weight * (reconstruction - target)).abs().mean()


STATEFUL = [
    "schedule.name=constant",
    "discriminator.name=remembering",
    "adversarial_loss.name=comparing",
    "cycle_loss.name=whitening",
    'augmentation=[{name = "adapting"}]',
]


@pytest.fixture
def stateful() -> Plugins:
    plugins = load_plugins(installed=False)
    plugins.registries.discriminators.add("remembering", Remembering)
    plugins.registries.adversarial_losses.add("comparing", Comparing)
    plugins.registries.augmentations.add("adapting", Adapting)
    plugins.registries.reconstruction_losses.add("whitening", Whitening)
    return plugins


@pytest.fixture
def spec(tiny_spec: Path) -> Path:
    networks = tiny_spec.read_text().replace('[discriminator]\nname = "patch"\nwidth = 4\nlayers = 1\n', "")
    tiny_spec.write_text(networks)
    return tiny_spec


def trained(spec: Path, plugins: Plugins, folder: Path, steps: int) -> dict[str, Tensor]:
    """The tensors of a run's last checkpoint."""
    run(spec, plugins=plugins, output=folder, overrides=[*STATEFUL, f"train.steps={steps}"])
    checkpoint = read_latest(folder / "checkpoints", report=pytest.fail)
    assert checkpoint is not None
    assert checkpoint.step == steps
    return {
        f"{file}/{name}": tensor for file, tensors in checkpoint.tensors.items() for name, tensor in tensors.items()
    }


def test_a_run_with_stateful_components_resumes_exactly(spec: Path, stateful: Plugins, tmp_path: Path) -> None:
    straight = trained(spec, stateful, tmp_path / "straight", 4)
    trained(spec, stateful, tmp_path / "halted", 2)
    resumed = trained(spec, stateful, tmp_path / "halted", 4)
    assert resumed.keys() == straight.keys()
    assert not [name for name in straight if not torch.equal(resumed[name], straight[name])]
    assert straight["components/adversarial_losses_a.0.calls"] == 4


def test_a_discriminator_with_memory_sees_real_and_generated_images_once_a_step(
    spec: Path, stateful: Plugins, tmp_path: Path
) -> None:
    state = trained(spec, stateful, tmp_path / "run", 4)
    for domain in "ab":
        made, real = state[f"model/discriminators.{domain}.shown"].tolist()
        assert made == [4, 4]  # taught a generator four times, learned four times
        assert real[1] == 4
        assert real[0] >= 4


def test_each_discriminator_has_its_own_adaptive_augmentation(spec: Path, stateful: Plugins, tmp_path: Path) -> None:
    state = trained(spec, stateful, tmp_path / "run", 3)
    shifts = [float(state[f"components/augmentations_{domain}.0.shift"]) for domain in "ab"]
    assert 0 not in shifts
    assert shifts[0] != shifts[1]


def test_parameters_of_losses_are_not_trained(spec: Path, stateful: Plugins, tmp_path: Path) -> None:
    before: Objective = prepare(read_layers(spec, STATEFUL), stateful).assembly.objective
    assert not any(parameter.requires_grad for parameter in before.parts.parameters())
    once, again = (trained(spec, stateful, tmp_path / "run", steps) for steps in (2, 4))
    assert torch.equal(once["components/cycle_loss.weight"], again["components/cycle_loss.weight"])
