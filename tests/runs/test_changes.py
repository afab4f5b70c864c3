"""A run continues with changes that were asked for, and with no others."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import cgkit
from cgkit.checkpoints import list_checkpoints
from cgkit.runs.continuing.changes import read_changes
from tests.cli.test_run import assert_one_error, folder_spec
from tests.conftest import Result

Run = Callable[..., Result]


@pytest.fixture
def start(cgkit: Run, tiny_spec: Path, tmp_path: Path) -> Run:
    """Run the tiny spec in one folder, each time with some overrides and options: `start("train.steps=6")`."""

    def call(*overrides: str, change: tuple[str, ...] = (), output: str = "run") -> Result:
        options = [part for text in overrides for part in ("--set", text)]
        options += [part for path in change for part in ("--change", path)]
        return cgkit("run", tiny_spec, "--output", tmp_path / output, *options)

    return call


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(list_checkpoints(run / "checkpoints")[-1] / "model.safetensors")


def contents(run: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in sorted(run.rglob("*")) if file.is_file()}


@pytest.mark.parametrize(
    ("setting", "table"),
    [
        ("train.learning_rate=1e-5", "train.learning_rate"),
        ("train.discriminator_learning_rate=1e-5", "train.discriminator_learning_rate"),
        ("train.clip_gradients=0.01", "train"),
        ("train.precision=bf16", "train.precision"),
        ("train.precision=fp64", "train.precision"),
        ("train.batch=1", "train.batch"),
        ("train.accumulate=2", "train.accumulate"),
        ("train.discriminator_steps=2", "train.discriminator_steps"),
        ("objective.cycle=5", "objective.cycle"),
        ("objective.identity=0", "objective"),
        ("cycle_loss.name=charbonnier", "cycle_loss"),
        ("adversarial_loss.name=hinge", "adversarial_loss"),
        ("schedule.name=cosine", "schedule"),
        ("optimizer.betas=[0.9, 0.99]", "optimizer"),
        ("augmentation=[{name='diff-augment'}]", "augmentation"),
        ("data.train=9", "data"),
    ],
)
def test_a_setting_changes_only_if_that_is_asked_for(
    start: Run, cgkit: Run, tiny_spec: Path, tmp_path: Path, setting: str, table: str
) -> None:
    # The schedule does not depend on the length, so that only the setting makes a difference.
    same = () if setting.startswith("schedule") else ("schedule.name=constant",)
    start("train.steps=2", *same)
    before = contents(tmp_path / "run")
    refused = start(*same, setting)
    assert refused.code == 2 or "data" in table
    assert contents(tmp_path / "run") == before
    flags = [word for line in refused.err.splitlines() for word in line.split("--change ")[1:]]
    assert flags
    accepted = start(*same, setting, change=tuple(flags))
    assert accepted.code == 0, accepted.err
    for change in read_changes(tmp_path / "run"):
        assert change.step == 2
        assert change.path in accepted.err
    start("train.steps=2", *same, output="same")
    start(*same, output="same")
    changed, unchanged = weights(tmp_path / "run"), weights(tmp_path / "same")
    assert not all(torch.equal(changed[name].float(), tensor) for name, tensor in unchanged.items())
    # From now on, the run is that of the changed spec, and a table may stand for what is in it.
    assert start(*same, setting, "train.steps=5").code == 0
    assert start(*same, "train.steps=6").code == 2
    assert start(*same, "train.steps=6", change=(table,)).code == 0


def test_a_change_has_the_effect_of_the_new_value(start: Run, tmp_path: Path) -> None:
    constant = ("schedule.name=constant", "log.every=1")
    start("train.steps=2", *constant)
    rates = ("train.learning_rate=1e-5", "optimizer.betas=[0.9, 0.99]")
    assert start(*constant, *rates, change=("train.learning_rate", "optimizer")).code == 0
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["learning_rate"] for line in lines if "learning_rate" in line] == [2e-4, 2e-4, 1e-5, 1e-5]
    state = json.loads((list_checkpoints(tmp_path / "run" / "checkpoints")[-1] / "state.json").read_text())
    for optimizer in state["trainer"]["optimizers"].values():
        assert optimizer["groups"][0]["betas"] == [0.9, 0.99]


def test_a_changed_run_that_is_stopped_continues_as_if_it_were_not(start: Run, tmp_path: Path) -> None:
    for output, lengths in (("whole", (8,)), ("parts", (3, 5, 8))):
        start("train.steps=2", "schedule.name=constant", output=output)
        for steps in lengths:
            settings = (f"train.steps={steps}", "train.batch=3", "data.train=9", "train.learning_rate=1e-4")
            start("schedule.name=constant", *settings, change=("train", "data"), output=output)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], tensor) for name, tensor in parts.items())


def test_the_changes_are_in_the_report_and_on_the_model_card(start: Run, tmp_path: Path) -> None:
    start("train.steps=2")
    start("train.learning_rate=1e-4", change=("train.learning_rate",))
    text = "after step 2: train.learning_rate from 0.0002 to 0.0001"
    assert text in (tmp_path / "run" / "report.html").read_text()
    assert f"- changed {text}" in (tmp_path / "run" / "model" / "README.md").read_text()


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ("generator.width=8", "the saved weights belong to this network"),
        ("discriminator.layers=2", "the saved weights belong to this network"),
        ("data.size=32", "the saved images of the pool have this size"),
        ("data.channels=1", "the networks have as many channels"),
        ("seed=4", "everything so far follows from it"),
        ("optimizer.name=adamw", "the saved moments belong to this optimiser"),
        ("train.ema=0.9", "the average has been taken from the first step on"),
    ],
)
def test_what_cannot_change_is_refused_with_the_reason(start: Run, tmp_path: Path, setting: str, reason: str) -> None:
    start("train.steps=2")
    before = contents(tmp_path / "run")
    table = setting.partition(".")[0]
    for change in ((), (table,) if table in ("data", "train", "optimizer") else ()):
        refused = start(setting, "objective.identity=0", change=("objective", *change))
        assert refused.code == 2
        assert f"it cannot change, because {reason}" in refused.err
    named = start(setting, change=(setting.partition("=")[0].replace("optimizer", "optimizer.generators"),))
    assert_one_error(named, 2, "cannot change", reason)
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("train.learning_rates", 'did you mean "train.learning_rate"?'),
        ("", "name a setting or a table"),
        ("generator.a2b", "the saved weights belong to this network"),
    ],
)
def test_a_change_of_what_does_not_exist_is_refused(start: Run, path: str, message: str) -> None:
    start("train.steps=2")
    assert_one_error(start("train.steps=4", change=(path,)), 2, message)


TERM = """
import torch
from torch import nn

from cgkit import hookimpl


class Brightness(nn.Module):
    needs = ("source", "translation")
    trained = True

    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(()))

    def forward(self, given):
        return (given.translation.mean() - self.factor * given.source.mean()).abs()


@hookimpl
def cgkit_register(registries):
    registries.terms.add("brightness", Brightness)
"""


def test_a_weight_of_a_term_may_change_but_not_what_the_saved_state_lacks(
    cgkit: Run, tiny_spec: Path, tmp_path: Path
) -> None:
    (tmp_path / "term.py").write_text(TERM)
    always = ["run", tiny_spec, "--plugin", tmp_path / "term.py", "--output", tmp_path / "run", "--set"]
    assert cgkit(*always, "train.steps=2").code == 0
    before = contents(tmp_path / "run")
    added = cgkit(*always, "term=[{name='brightness'}]", "--change", "term")
    assert_one_error(added, 5, "the saved state does not fit the changed term.0", "change it back")
    assert contents(tmp_path / "run") == before
    always[5] = tmp_path / "with-a-term"
    assert cgkit(*always, "term=[{name='brightness'}]", "--set", "train.steps=2").code == 0
    lower = "term=[{name='brightness', weight=0.5}]"
    refused = cgkit(*always, lower)
    assert "--change term.0.weight.a2b" in refused.err
    assert cgkit(*always, lower, "--change", "term.0.weight").code == 0


def test_nothing_can_change_if_there_is_no_run(start: Run, tmp_path: Path) -> None:
    assert_one_error(start(change=("train.batch",)), 2, "holds no run that could change", "--output")
    assert not (tmp_path / "run").exists()


def test_a_declared_change_that_was_made_already_is_accepted(start: Run, tmp_path: Path) -> None:
    start("train.steps=2")
    for steps in (3, 4):
        assert start("objective.cycle=5", f"train.steps={steps}", change=("objective.cycle",)).code == 0
    assert [change.path for change in read_changes(tmp_path / "run")] == [
        "objective.cycle.backward",
        "objective.cycle.forward",
    ]


def test_a_run_that_saved_no_state_starts_again_with_any_spec(start: Run, tmp_path: Path) -> None:
    start("train.steps=2")
    run = tmp_path / "run"
    for folder in ("checkpoints", "model"):
        for file in sorted((run / folder).rglob("*"), reverse=True):
            file.unlink() if file.is_file() else file.rmdir()
        (run / folder).rmdir()
    result = start("generator.width=8", "samples.every=2", "train.steps=2")
    assert result.code == 0
    assert "saved no state yet; it starts again" in result.err


def test_a_run_folder_continues_with_a_change(start: Run, cgkit: Run, tmp_path: Path) -> None:
    start("train.steps=2")
    options = ("--set", "train.steps=4", "--set", "objective.cycle=5")
    refused = cgkit("run", tmp_path / "run", *options)
    assert "--change objective.cycle.forward" in refused.err
    assert cgkit("run", tmp_path / "run", *options, "--change", "objective.cycle").code == 0
    assert cgkit("run", tmp_path / "run", "--set", "train.steps=5").code == 0


def test_from_python(tiny_spec: Path, tmp_path: Path) -> None:
    cgkit.run(tiny_spec, output=tmp_path / "run", overrides=["train.steps=2"])
    changed = {"overrides": ["train.learning_rate=1e-4"], "changes": ("train.learning_rate",)}
    assert cgkit.run(tiny_spec, output=tmp_path / "run", **changed).step == 4


class TestImages:
    @pytest.fixture
    def folders(self, tiny_spec: Path, image_folder: Callable[..., Path]) -> Path:
        """The folder of the folders `a` and `b`, which the spec names."""
        a, b = image_folder("a", 5), image_folder("b", 6)
        folder_spec(tiny_spec, a, b, held_out=0)
        return a.parent

    @pytest.mark.parametrize("change", ["added", "removed", "replaced"])
    def test_may_change_if_that_is_asked_for(self, start: Run, folders: Path, tmp_path: Path, change: str) -> None:
        start("train.steps=2")
        before = contents(tmp_path / "run")
        if change == "removed":
            (folders / "a" / "image-0.png").unlink()
        else:
            name = "new.png" if change == "added" else "image-0.png"
            Image.new("RGB", (30, 30), "red").save(folders / "a" / name)
        count = {"added": "6 now", "removed": "4 now", "replaced": "5 now"}[change]
        assert_one_error(start(), 3, "domain a have changed", f"5 before, {count}", "--change data")
        assert contents(tmp_path / "run") == before
        assert start(change=("data",)).code == 0
        assert [(change.path, change.step) for change in read_changes(tmp_path / "run")] == [("data.a", 2)]
        assert start("train.steps=6").code == 0

    def test_that_moved_are_the_same(self, start: Run, folders: Path, tmp_path: Path, tiny_spec: Path) -> None:
        start("train.steps=2")
        (folders / "a").rename(folders / "photos")
        tiny_spec.write_text(tiny_spec.read_text().replace(f'a = "{folders}/a"', f'a = "{folders}/photos"'))
        assert start("train.steps=3").code == 0
        assert read_changes(tmp_path / "run") == ()

    def test_behind_a_link_are_the_same(self, start: Run, cgkit: Run, folders: Path, tmp_path: Path) -> None:
        start("train.steps=2")
        (folders / "a").rename(folders / "photos")
        (folders / "a").symlink_to(folders / "photos")
        assert cgkit("evaluate", tmp_path / "run").code == 0
        assert start("train.steps=3").code == 0
        (folders / "a").unlink()
        (folders / "photos").rename(folders / "elsewhere")
        (folders / "a").symlink_to(folders / "elsewhere")
        assert cgkit("evaluate", tmp_path / "run").code == 0
        assert start("train.steps=4").code == 0

    def test_of_a_finished_run_that_moved_are_evaluated(
        self, start: Run, cgkit: Run, folders: Path, tmp_path: Path
    ) -> None:
        start("train.steps=2")
        scores = cgkit("evaluate", tmp_path / "run", "--json").json
        (folders / "a").rename(folders / "photos")
        missing = cgkit("evaluate", tmp_path / "run")
        assert_one_error(missing, 3, "a does not exist", "--set data.a=")
        moved = cgkit("evaluate", tmp_path / "run", "--set", f"data.a={folders / 'photos'}", "--json")
        assert moved.json == scores
        refused = cgkit("evaluate", tmp_path / "run", "--set", "data.size=32")
        assert_one_error(refused, 2, "data.size")
        refused = cgkit("evaluate", tmp_path / "run", "--set", "train.batch=3")
        assert_one_error(refused, 2, "only data and evaluation")
