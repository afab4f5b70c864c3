"""A run folder is enough to continue its run, and to train it again."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor, equal

from tests.conftest import Result

Cli = Callable[..., Result]

PLUGIN = """
import cgkit
from cgkit.components.schedules.constant import Constant

@cgkit.hookimpl
def cgkit_register(registries):
    registries.schedules.add("steady", Constant)
"""
STEADY = ("--set", "schedule.name=steady")


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    file = tmp_path / "steady.py"
    file.write_text(PLUGIN)
    return file


def steps(count: int) -> tuple[str, str]:
    return "--set", f"train.steps={count}"


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "model" / "model.safetensors")


def assert_same_model(first: Path, second: Path) -> None:
    one, other = weights(first), weights(second)
    assert one.keys() == other.keys()
    assert all(equal(one[name], other[name]) for name in one)


def test_a_run_continues_from_its_folder_bit_for_bit(
    cgkit: Cli, tiny_spec: Path, plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    options = (*STEADY, "--plugin", "steady.py", "--device", "cpu")
    assert cgkit("run", "spec.toml", *steps(2), *options, "--output", "run").code == 0
    assert cgkit("run", "spec.toml", *steps(4), *options, "--output", "whole").code == 0
    tiny_spec.unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    result = cgkit("run", "../run", *steps(4))
    assert result.code == 0
    shown = f"../run was started with --set train.steps=2 --set schedule.name=steady --plugin {plugin} --device cpu"
    assert shown in result.err
    assert "resuming ../run at step 2 of 4" in result.err
    assert_same_model(tmp_path / "run", tmp_path / "whole")
    again = cgkit("run", "../run")
    assert again.code == 0
    assert "at step 4 of 4" in again.err


def test_the_spec_in_a_run_folder_trains_the_same_run_again(
    cgkit: Cli, tiny_spec: Path, image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_folder("study/a")
    image_folder("study/b")
    text = tiny_spec.read_text().replace('source = "seasons"', 'source = "folder"\na = "a"\nb = "b"')
    text = "# mine\n" + text.replace("train = 12\ntest = 4\n", "")
    (tmp_path / "study" / "base.toml").write_text(text)
    (tmp_path / "study" / "spec.toml").write_text('extends = "base.toml"\n[train]\nsteps = 3  # for now\n')
    monkeypatch.chdir(tmp_path)
    # A path in an override is relative to the current folder.
    settings = ("--set", "data.b=study/b", "--set", "generator.width=5", "--set", 'name="again"')
    assert cgkit("run", "study/spec.toml", *settings, "--output", "run").code == 0
    values = tomllib.loads((tmp_path / "run" / "spec.toml").read_text())
    assert (values["generator"]["width"], values["train"]["steps"]) == (5, 3)
    assert (values["data"]["a"], values["data"]["b"]) == tuple(str(tmp_path / "study" / side) for side in "ab")
    assert "# for now" in (tmp_path / "run" / "spec.original.toml").read_text()

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert cgkit("run", "../run/spec.toml").code == 0
    again = tmp_path / "elsewhere" / "runs" / "again"
    assert (again / "spec.resolved.json").read_text() == (tmp_path / "run" / "spec.resolved.json").read_text()
    assert_same_model(tmp_path / "run", again)


def test_a_run_folder_with_another_output_starts_a_new_run(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
    assert cgkit("run", tiny_spec, *steps(2), "--output", tmp_path / "run").code == 0
    before = {file: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.is_file()}
    result = cgkit("run", tmp_path / "run", "--set", "seed=4", "--output", tmp_path / "other")
    assert result.code == 0
    assert json.loads((tmp_path / "other" / "spec.resolved.json").read_text())["seed"] == 4
    assert {file: file.read_bytes() for file in before} == before


def test_the_users_edits_and_the_original_survive_a_continuation(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
    assert cgkit("run", tiny_spec, *steps(2), "--output", tmp_path / "run").code == 0
    own = tmp_path / "run" / "spec.toml"
    own.write_text("# a note\n" + own.read_text().replace("steps = 2", "steps = 3"))
    edited = own.read_text()
    assert "at step 2 of 3" in cgkit("run", tmp_path / "run").err
    assert own.read_text() == edited
    assert (tmp_path / "run" / "spec.original.toml").read_text() == tiny_spec.read_text()


def test_a_spec_of_ones_own_in_the_run_folder_is_left_as_it_is(cgkit: Cli, tiny_spec: Path) -> None:
    own, folder = tiny_spec.read_text(), tiny_spec.parent
    assert cgkit("run", tiny_spec, "--output", folder, *steps(2)).code == 0
    assert tiny_spec.read_text() == own
    assert "step 2 of 2" in cgkit("run", folder).err
    assert cgkit("run", folder, *steps(3)).code == 0
    assert tiny_spec.read_text() == own
    assert "step 3 of 3" in cgkit("run", folder).err


def test_what_must_not_change_is_refused_and_nothing_is_remembered(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
    assert cgkit("run", tiny_spec, "--output", tmp_path / "run").code == 0
    before = {file: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.is_file()}
    result = cgkit("run", tmp_path / "run", "--set", "generator.width=5")
    assert result.code == 2
    assert "was 4 when" in result.err
    assert {file: file.read_bytes() for file in before} == before


def test_a_plugin_file_that_moved_is_named_and_can_be_given_again(
    cgkit: Cli, tiny_spec: Path, plugin: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    assert cgkit("run", tiny_spec, *STEADY, "--plugin", plugin, "--output", run).code == 0
    (tmp_path / "moved").mkdir()
    moved = Path(shutil.move(plugin, tmp_path / "moved" / "steady.py"))
    result = cgkit("run", run)
    assert result.code == 2
    assert f"{plugin}, with which {run} was started, does not exist; pass --plugin" in result.err
    assert cgkit("run", run, "--plugin", moved).code == 0
    assert str(moved) in cgkit("run", run).err


def test_overrides_given_again_are_remembered_once(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
    assert cgkit("run", tiny_spec, *steps(2), "--output", tmp_path / "run").code == 0
    for count in (3, 2, 3):
        assert cgkit("run", tmp_path / "run", *steps(count)).code == 0
    launch = json.loads((tmp_path / "run" / "launch.json").read_text())
    assert launch == {"overrides": ["train.steps=3"], "plugins": [], "device": None}


def test_a_folder_without_a_run_is_refused(cgkit: Cli, tiny_spec: Path, tmp_path: Path) -> None:
    result = cgkit("run", tmp_path)
    assert (result.code, f"{tmp_path} is not a run folder; pass a spec, or a folder" in result.err) == (2, True)
    assert cgkit("run", tiny_spec, "--output", tmp_path / "run").code == 0
    (tmp_path / "run" / "launch.json").write_text("{")
    result = cgkit("run", tmp_path / "run")
    assert (result.code, "launch.json is damaged" in result.err) == (5, True)
    (tmp_path / "run" / "launch.json").unlink()
    result = cgkit("run", tmp_path / "run")
    assert result.code == 2
    assert f"pass its spec: cgkit run SPEC --output {tmp_path / 'run'}" in result.err
