"""A plugin that fails during a run is named, with file and line; earlier checkpoints stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cgkit.contracts import Role
from cgkit.errors import PluginError
from cgkit.plugins import Plugins, load_plugins
from cgkit.registry import Registries
from cgkit.runs.start import run


class FailingLater(nn.Module):
    """A generator that fails in the third step."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_channels, out_channels, 1)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, images: Tensor) -> Tensor:
        self.steps += int(self.training)
        if self.steps > 4:
            raise KeyError("token")
        return self.mix(images).tanh()  # type: ignore[no-any-return]


class FailingAugmentation(nn.Module):
    """Fails on every image."""

    role: Role = "data"

    def forward(self, images: Tensor) -> Tensor:
        raise AttributeError("no rain today")


@pytest.fixture
def stranger() -> Plugins:
    plugins = load_plugins(installed=False)
    registries = Registries("cgkit-stranger")
    registries.generators.add("failing-later", FailingLater)
    registries.augmentations.add("failing", FailingAugmentation)
    plugins.registries.merge(registries)
    return plugins


def without_generator(spec: Path) -> Path:
    spec.write_text(spec.read_text().replace('[generator]\nname = "resnet"\nwidth = 4\nblocks = 1\n', ""))
    return spec


def test_a_network_that_fails_in_training_is_named_with_file_and_line(
    tiny_spec: Path, tmp_path: Path, stranger: Plugins
) -> None:
    overrides = ["generator.name=failing-later", "checkpoint.every=1"]
    with pytest.raises(PluginError, match=r"cgkit-stranger failed: KeyError: 'token' \(.*test_plugin_errors\.py:\d+\)"):
        run(without_generator(tiny_spec), output=tmp_path / "run", plugins=stranger, overrides=overrides)
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("failed", 4)
    assert list((tmp_path / "run" / "checkpoints").iterdir())


@pytest.mark.parametrize("workers", [0, 1])
def test_an_augmentation_that_fails_in_a_worker_is_named_too(
    tiny_spec: Path, tmp_path: Path, stranger: Plugins, workers: int
) -> None:
    overrides = ['augmentation=[{name = "failing"}]', f"data.workers={workers}"]
    with pytest.raises(PluginError, match=r"augmentation .*FailingAugmentation failed: AttributeError: no rain today"):
        run(tiny_spec, output=tmp_path / "run", plugins=stranger, overrides=overrides)
