"""A model folder holds all that translating needs, in both directions, averaged and as trained."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from cgkit.errors import CheckpointError, UsageError
from cgkit.models.folder import load_generator, read_model, write_model
from cgkit.models.info import ModelInfo
from cgkit.plugins import Plugins
from cgkit.runs.start import run
from cgkit.spec import resolve_spec
from cgkit.translation.translator import Translator
from tests.conftest import TINY

FORMAT_1 = Path(__file__).parent / "model_format_1"
"""A model of format 1, with a moving average."""


@pytest.fixture(scope="module")
def averaged(tmp_path_factory: pytest.TempPathFactory, plugins: Plugins) -> Path:
    folder = tmp_path_factory.mktemp("averaged")
    (folder / "spec.toml").write_text(TINY)
    return run(
        folder / "spec.toml", overrides=["train.ema=0.5", "license=cc-by-4.0"], output=folder / "run", plugins=plugins
    ).folder


def one_way(folder: Path, plugins: Plugins, direction: str = "a2b") -> Path:
    """Write a model with one direction, of two convolutions."""
    values = {"data": {"source": "seasons", "size": 16}, "generator": {"name": "resnet", "width": 2, "blocks": 0}}
    spec = resolve_spec({**values, "name": "odd"}, plugins)
    both = ModelInfo(spec, 0, False)
    write_model(folder, {"a2b": _built(spec, plugins), "b2a": _built(spec, plugins)}, both, {})
    info = ModelInfo(spec, 0, False, (direction,), ("photos.pth", "a generator\x1b[31m"))
    write_model(folder, {direction: _built(spec, plugins)}, info, {})
    return folder


def _built(spec: object, plugins: Plugins) -> nn.Module:
    from cgkit.components.generators.resnet import ResnetGenerator

    return ResnetGenerator(3, 3, width=2, blocks=0)


def test_weights_are_stored_by_direction_averaged_and_as_trained(averaged: Path) -> None:
    model, raw = (load_file(averaged / "model" / name) for name in ("model.safetensors", "raw.safetensors"))
    assert {name.partition(".")[0] for name in model} == {"a2b", "b2a"}
    assert model.keys() == raw.keys()
    assert not all(torch.equal(model[name], raw[name]) for name in model)
    assert {path.name for path in (averaged / "model").iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "raw.safetensors",
    }


@pytest.mark.parametrize(("asked", "file"), [(None, "model"), ("ema", "model"), ("raw", "raw")])
def test_the_average_translates_unless_raw_weights_are_requested(
    averaged: Path, plugins: Plugins, asked: str | None, file: str
) -> None:
    info = read_model(averaged / "model", plugins)
    stored = load_file(averaged / "model" / f"{file}.safetensors")
    generator = load_generator(averaged / "model", info, "b2a", plugins, asked)  # type: ignore[arg-type]
    assert all(torch.equal(stored[f"b2a.{name}"], tensor) for name, tensor in generator.state_dict().items())


def test_a_model_that_cannot_be_written_completely_leaves_the_previous_one(tmp_path: Path, plugins: Plugins) -> None:
    folder = one_way(tmp_path / "model", plugins)
    (folder / "raw.safetensors").mkdir()
    before = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    info = read_model(folder, plugins)
    network = _built(info.spec, plugins)
    with pytest.raises(OSError, match="directory"):
        write_model(folder, {"a2b": network}, info, {}, raw={"a2b": network})
    assert {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()} == before


def test_a_model_without_an_average_has_raw_weights_only(tmp_path: Path, plugins: Plugins) -> None:
    folder = one_way(tmp_path / "model", plugins)
    assert not (folder / "raw.safetensors").exists()
    Translator.load(folder, weights="raw", plugins=plugins)
    with pytest.raises(CheckpointError, match=r"no moving average.*train\.ema"):
        Translator.load(folder, weights="ema", plugins=plugins)


def test_a_direction_may_be_missing(tmp_path: Path, plugins: Plugins) -> None:
    folder = one_way(tmp_path / "model", plugins, "b2a")
    assert Translator.load(folder, direction="b2a", plugins=plugins)(torch.rand(3, 9, 8)).shape == (3, 9, 8)
    with pytest.raises(CheckpointError, match="only translates b2a, not a2b"):
        Translator.load(folder, plugins=plugins)
    with pytest.raises(UsageError, match="no direction 'c2d'"):
        Translator.load(folder, direction="c2d", plugins=plugins)


def test_format_1_is_still_read(plugins: Plugins) -> None:
    info = read_model(FORMAT_1, plugins)
    assert (info.step, info.averaged, info.directions) == (4, True, ("a2b", "b2a"))
    for direction in info.directions:
        generator = load_generator(FORMAT_1, info, direction, plugins, "ema")
        stored = load_file(FORMAT_1 / f"generator_{direction}.safetensors")
        assert all(torch.equal(stored[name], tensor) for name, tensor in generator.state_dict().items())
    with pytest.raises(CheckpointError, match="format 1"):
        load_generator(FORMAT_1, info, "a2b", plugins, "raw")


def test_a_folder_of_format_1_becomes_one_of_format_2_when_it_is_written(tmp_path: Path, plugins: Plugins) -> None:
    shutil.copytree(FORMAT_1, tmp_path / "model")
    one_way(tmp_path / "model", plugins)
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"README.md", "config.json", "model.safetensors"}


@pytest.mark.parametrize("change", [{"format": 3}, {"directions": []}, {"directions": ["c2d"]}, {"directions": 7}])
def test_an_unknown_configuration_is_refused(tmp_path: Path, plugins: Plugins, change: dict[str, object]) -> None:
    folder = one_way(tmp_path / "model", plugins)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **change}))
    with pytest.raises(CheckpointError, match=r"config\.json"):
        read_model(folder, plugins)


def test_the_card_describes_the_model_and_its_scores(averaged: Path, tmp_path: Path, plugins: Plugins) -> None:
    card = (averaged / "model" / "README.md").read_text()
    header = dict(re.findall(r"^(\w+): (.*)$", card.split("---")[1], re.MULTILINE))
    assert json.loads(header["license"]) == "cc-by-4.0"
    assert json.loads(header["tags"]) == ["cyclegan", "unpaired", "resnet"]
    assert "psnr" in json.loads(header["metrics"])
    psnr = next(line for line in card.splitlines() if line.startswith("| a2b | psnr"))
    scores = json.loads((averaged / "evaluation.json").read_text())["numbers"]
    assert f"| {scores[0]['value']:.4g} |" in psnr
    assert "n 4, split test" in card
    imported = (one_way(tmp_path / "model", plugins) / "README.md").read_text()
    assert "- imported: photos.pth" in imported
    assert "\x1b" not in imported
    assert "measured" not in imported
    assert "license" not in imported
