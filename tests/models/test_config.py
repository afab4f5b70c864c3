"""A model folder says exactly which weights are its own, and nothing about the machine that it was trained on."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cgkit.errors import CgkitError, CheckpointError
from cgkit.models.config import MAX_BYTES, is_place, name_of, parse_config, without_places
from cgkit.models.folder import read_model
from cgkit.plugins import Plugins
from cgkit.runs.start import run
from cgkit.translation.translator import Translator
from tests.conftest import TINY

SMALL = ("generator.width=2", "generator.blocks=0", "train.steps=1", "evaluation.count=1", "train.ema=0.5")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, plugins: Plugins) -> Path:
    """The model of a run with a moving average."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", overrides=SMALL, output=folder / "run", plugins=plugins).folder / "model"


def change(folder: Path, **values: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may damage."""
    folder = tmp_path / "model"
    folder.mkdir()
    for file in trained.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), weights=st.sampled_from(["ema", "raw"]))
def test_no_changed_byte_of_the_weights_goes_unnoticed(
    data: st.DataObject, weights: str, trained: Path, tmp_path: Path, plugins: Plugins
) -> None:
    name = {"ema": "model.safetensors", "raw": "raw.safetensors"}[weights]
    content = bytearray((trained / name).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    (tmp_path / "config.json").write_bytes((trained / "config.json").read_bytes())
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=rf"{name} is damaged or was replaced.*copy or download"):
        Translator.load(tmp_path, weights=weights, plugins=plugins)  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_configuration_is_an_error_for_the_user_or_the_same_weights(
    data: st.DataObject, trained: Path
) -> None:
    content = bytearray((trained / "config.json").read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    try:
        files = parse_config(bytes(content), "config.json").files
    except CheckpointError:
        return
    intact = parse_config((trained / "config.json").read_bytes(), "config.json").files
    if content[: content.index(b'"spec"')] == (trained / "config.json").read_bytes()[: content.index(b'"spec"')]:
        assert files == intact


@pytest.mark.parametrize("length", [0, 100, -1])
def test_a_weight_file_of_another_length_is_refused_with_both_lengths(
    model: Path, plugins: Plugins, length: int
) -> None:
    content = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(content[:length])
    with pytest.raises(CheckpointError, match=rf"has {len(content[:length])} bytes, not the {len(content)} in config"):
        Translator.load(model, plugins=plugins)


def test_a_folder_without_checksums_is_read_as_before(model: Path, plugins: Plugins) -> None:
    config = json.loads((model / "config.json").read_text())
    del config["files"]
    (model / "config.json").write_text(json.dumps(config))
    Translator.load(model, plugins=plugins)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": "4"}, "its step is not a whole number"),
        ({"step": 4.5}, "its step is not a whole number"),
        ({"step": True}, "its step is not a whole number"),
        ({"step": -1}, "its step is not a whole number"),
        ({"step": 10**30}, "its step is not a whole number"),
        ({"directions": ["a2b", "a2b"]}, "its directions are a2b, a2b"),
        ({"directions": [["a2b"]]}, "its directions are not a list of texts"),
        ({"directions": "a2b"}, "its directions are not a list of texts"),
        ({"averaged": 1}, "its averaged is not true or false"),
        ({"format": True}, "its format is not a whole number"),
        ({"spec": []}, "it has no spec"),
        ({"imported": [1]}, "its imported are not a list of texts"),
        ({"files": []}, "its files are not model.safetensors and raw.safetensors"),
        ({"files": {"../model.safetensors": {}}}, "its files are not"),
        ({"files": {"model.safetensors": {}, "raw.safetensors": {}}}, "it has no SHA-256 of model.safetensors"),
    ],
)
def test_an_odd_configuration_is_refused_with_a_sentence(
    model: Path, plugins: Plugins, values: dict[str, object], message: str
) -> None:
    change(model, **values)
    with pytest.raises(CheckpointError, match=message):
        read_model(model, plugins)


@pytest.mark.parametrize("generator", [{}, {"a2b": {}}, {"a2b": 3}, {"a2b": {"name": 3}}, {"a2b": {"width": 4}}, "x"])
def test_odd_generators_in_the_spec_of_a_model_are_no_surprise(
    model: Path, plugins: Plugins, generator: object
) -> None:
    spec = json.loads((model / "config.json").read_text())["spec"]
    change(model, spec={**spec, "generator": generator})
    with contextlib.suppress(CgkitError):  # defaults complete some of them
        read_model(model, plugins)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace('"step": 1', '"step": NaN'), "NaN is not a JSON number"),
        (lambda text: text.replace('"step": 1', '"step": 1, "step": 2'), "duplicate key 'step'"),
        (lambda text: text + " " * MAX_BYTES, "larger than 1 MB"),
        (lambda text: "[" * 100_000, "nested too deeply"),
    ],
)
def test_json_that_is_not_strict_is_refused(
    model: Path, plugins: Plugins, edit: Callable[[str], str], message: str
) -> None:
    (model / "config.json").write_text(edit((model / "config.json").read_text()))
    with pytest.raises(CheckpointError, match=message):
        read_model(model, plugins)


@pytest.mark.timeout(60)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(model: Path, plugins: Plugins, name: str) -> None:
    (model / name).unlink()
    os.mkfifo(model / name)
    with pytest.raises(CheckpointError, match="not a regular file"):
        Translator.load(model, plugins=plugins)


def test_a_device_in_place_of_a_file_is_refused(model: Path, plugins: Plugins) -> None:
    (model / "config.json").unlink()
    (model / "config.json").symlink_to(os.devnull)
    with pytest.raises(CheckpointError, match="not a regular file"):
        read_model(model, plugins)


def test_a_model_does_not_say_where_it_was_trained(
    tmp_path: Path, image_folder: Callable[..., Path], plugins: Plugins
) -> None:
    a, b = image_folder("secret-client/horses"), image_folder("secret-client/zebras")
    (tmp_path / "spec.toml").write_text(
        TINY.replace('source = "seasons"', 'source = "folder"').replace("train = 12\ntest = 4\n", "")
        + "[[tracker]]\nname = 'jsonl'\n"
    )
    folders = [f'data.a="{a}"', f'data.b="{b}"', *SMALL]
    folder = run(tmp_path / "spec.toml", overrides=folders, output=tmp_path / "run", plugins=plugins).folder
    text = (folder / "model" / "config.json").read_text() + (folder / "model" / "README.md").read_text()
    assert "secret-client" not in text
    assert str(tmp_path) not in text
    config = json.loads((folder / "model" / "config.json").read_text())
    assert (config["spec"]["data"]["a"], config["spec"]["data"]["b"]) == ("horses", "zebras")
    assert "tracker" not in config["spec"]


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/home/anna/horses", "horses"),
        ("C:\\Users\\anna\\horses", "horses"),
        ("\\\\server\\share\\horses", "horses"),
        ("~/horses/", "horses"),
        ("https://anna:secret@host/data/train.json?token=x", "train.json"),
        ("file:///home/anna/horses", "horses"),
    ],
)
def test_of_a_place_only_the_name_is_kept(place: str, name: str) -> None:
    assert is_place(place)
    assert name_of(place) == name
    assert without_places({"data": [{"a": place, "size": 16}]}) == {"data": [{"a": name, "size": 16}]}


@given(st.text() | st.text(alphabet="~/\\:aC.?#"))
def test_what_remains_of_a_text_is_no_place(text: str) -> None:
    assert not is_place(without_places(text))
