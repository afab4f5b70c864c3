"""Components that read their first weights from files: paths, resumed runs, and models that stand alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cgkit.checkpoints import list_checkpoints
from cgkit.translation.translator import Translator
from tests.conftest import Result

PLUGIN = '''
from pathlib import Path

import cgkit
import torch
from safetensors.torch import load_file
from torch import nn


class Pretrained(nn.Module):
    """A generator with a frozen encoder from a file and a first layer from another.

    Args:
        encoder: weights of the frozen encoder.
        first: weights of the first layer.
    """

    def __init__(self, in_channels, out_channels, *, encoder: Path | None = None, first: Path | None = None) -> None:
        super().__init__()
        self.encoder = nn.Conv2d(in_channels, 4, 3, padding=1)
        self.encoder.saved = False
        if encoder is not None:
            self.encoder.load_state_dict(load_file(encoder))
        self.encoder.requires_grad_(False)
        self.last = nn.Conv2d(4, out_channels, 3, padding=1)
        self.first = first

    def initialise(self):
        if self.first is not None:
            self.last.load_state_dict(load_file(self.first))

    def forward(self, images):
        return self.last(self.encoder(images).relu()).tanh()


@cgkit.hookimpl
def cgkit_register(registries):
    registries.generators.add("pretrained", Pretrained)
'''


@pytest.fixture
def spec(tiny_text: str, tmp_path: Path) -> Path:
    """A spec in a folder of its own, whose paths are relative to it."""
    (tmp_path / "plugin.py").write_text(PLUGIN)
    folder = tmp_path / "study"
    folder.mkdir()
    torch.manual_seed(0)
    save_file(torch.nn.Conv2d(3, 4, 3).state_dict(), folder / "encoder.safetensors")
    save_file(torch.nn.Conv2d(4, 3, 3).state_dict(), folder / "first.safetensors")
    options = 'name = "pretrained"\nencoder = "encoder.safetensors"\nfirst = "first.safetensors"'
    (folder / "spec.toml").write_text(tiny_text.replace('name = "resnet"\nwidth = 4\nblocks = 1', options))
    return folder / "spec.toml"


@pytest.fixture
def train(spec: Path, tmp_path: Path, cgkit: Callable[..., Result]) -> Callable[..., Result]:
    def train(*settings: str, folder: str = "run") -> Result:
        overrides = [part for text in settings for part in ("--set", text)]
        return cgkit("run", spec, "--plugin", tmp_path / "plugin.py", "--output", tmp_path / folder, *overrides)

    return train


def newest(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(list_checkpoints(folder / "checkpoints")[-1] / "model.safetensors")


def test_paths_of_every_component_are_relative_to_the_spec_and_weights_are_read_once(
    train: Callable[..., Result], spec: Path, tmp_path: Path
) -> None:
    assert train("train.steps=2", "train.learning_rate=1e-9", "schedule.name=constant").code == 0
    first = load_file(spec.parent / "first.safetensors")
    torch.testing.assert_close(newest(tmp_path / "run")["generators.a2b.last.weight"], first["weight"])
    # What is read only by `initialise` is not needed to continue, and must not overwrite what was learned.
    (spec.parent / "first.safetensors").unlink()
    resumed = train("train.steps=3", "train.learning_rate=1e-9", "schedule.name=constant")
    assert resumed.code == 0, resumed.err


def test_a_resumed_run_is_bit_for_bit_that_without_a_stop(train: Callable[..., Result], tmp_path: Path) -> None:
    settings = ("schedule.name=constant",)
    train("train.steps=4", *settings, folder="straight")
    train("train.steps=2", *settings)
    train("train.steps=4", *settings)
    one, other = newest(tmp_path / "straight"), newest(tmp_path / "run")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_frozen_weights_stay_out_of_checkpoints_and_must_not_change(
    train: Callable[..., Result], spec: Path, tmp_path: Path
) -> None:
    train("train.steps=2", "train.ema=0.5")
    assert not any("encoder" in name for name in newest(tmp_path / "run"))
    save_file(torch.nn.Conv2d(3, 4, 3).state_dict(), spec.parent / "encoder.safetensors")
    refused = train("train.steps=3", "train.ema=0.5")
    assert refused.code == 5
    assert "the frozen weights are not those with which the run was started" in refused.err


def test_a_model_stands_alone(train: Callable[..., Result], spec: Path, tmp_path: Path) -> None:
    assert train().code == 0
    folder = tmp_path / "run" / "model"
    assert str(tmp_path) not in (folder / "config.json").read_text()
    generator = json.loads((folder / "config.json").read_text())["spec"]["generator"]["a2b"]
    assert (generator["encoder"], generator["first"]) == ("encoder.safetensors", "first.safetensors")
    encoder = load_file(spec.parent / "encoder.safetensors")
    for file in spec.parent.glob("*.safetensors"):
        file.unlink()
    from cgkit.plugins import load_plugins

    translator = Translator.load(folder, plugins=load_plugins(installed=False, files=[tmp_path / "plugin.py"]))
    assert torch.equal(translator.network().encoder.weight, encoder["weight"])  # type: ignore[operator, union-attr]


def test_frozen_weights_that_a_component_reads_are_not_drawn_again(
    train: Callable[..., Result], spec: Path, tmp_path: Path
) -> None:
    assert train("train.steps=1").code == 0
    encoder = load_file(spec.parent / "encoder.safetensors")
    saved = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert torch.equal(saved["a2b.encoder.weight"], encoder["weight"])


def test_a_generator_whose_models_could_not_be_built_is_refused(train: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "plugin.py").write_text(PLUGIN.replace("encoder: Path | None = None", "encoder: Path"))
    refused = train()
    assert refused.code == 4
    assert "the path encoder has no default, so its models could not be used; give it the default None" in refused.err


def test_a_project_may_move(
    train: Callable[..., Result], spec: Path, tmp_path: Path, cgkit: Callable[..., Result]
) -> None:
    assert train("train.steps=2").code == 0
    moved = spec.parent.rename(tmp_path / "elsewhere")
    command = ("run", moved / "spec.toml", "--plugin", tmp_path / "plugin.py", "--output", tmp_path / "run")
    resumed = cgkit(*command, "--set", "train.steps=3")
    assert resumed.code == 0, resumed.err
    other = cgkit(*command, "--set", "train.steps=4", "--set", f"generator.encoder={moved / 'first.safetensors'}")
    assert other.code in (2, 4)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("generator.encoder=missing.safetensors", "there is no file"),
        ("generator.encoder=.", "cannot be read"),
        ("generator.first=missing.safetensors", "there is no file"),
    ],
)
def test_a_wrong_path_is_the_users_error(train: Callable[..., Result], setting: str, expected: str) -> None:
    refused = train(setting)
    assert refused.code in (2, 3), refused.err
    assert expected in refused.err
    assert "Traceback" not in refused.err


def test_a_home_folder_is_expanded(train: Callable[..., Result], spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(spec.parent))
    assert train("generator.encoder=~/encoder.safetensors").code == 0


def test_weights_that_are_not_saved_come_from_their_own_file_even_if_a_run_starts_from_another(
    train: Callable[..., Result], spec: Path, tmp_path: Path
) -> None:
    settings = ("train.learning_rate=1e-9", "schedule.name=constant")
    assert train("train.steps=2", *settings, folder="other").code == 0
    save_file(torch.nn.Conv2d(3, 4, 3).state_dict(), spec.parent / "encoder.safetensors")
    started = train(f"start.from={tmp_path / 'other' / 'model'}", "train.steps=1", *settings)
    assert started.code == 0, started.err
    assert "generator a2b: all 2 tensors" in started.err
    saved = load_file(tmp_path / "run" / "model" / "model.safetensors")
    other = load_file(tmp_path / "other" / "model" / "model.safetensors")
    torch.testing.assert_close(saved["a2b.last.weight"], other["a2b.last.weight"])
    assert torch.equal(saved["a2b.encoder.weight"], load_file(spec.parent / "encoder.safetensors")["weight"])
    resumed = train(f"start.from={tmp_path / 'other' / 'model'}", "train.steps=2", *settings)
    assert resumed.code == 0, resumed.err
