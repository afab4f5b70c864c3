"""The best model so far is kept, and training ends when nothing gets better."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from cgkit.checkpoints import list_checkpoints
from cgkit.errors import SpecError
from cgkit.evaluation.numbers import Number
from cgkit.plugins import Plugins
from cgkit.runs.scores.best_model import DIRECTIONS, BestModel
from cgkit.runs.start import run
from cgkit.spec.model import Evaluation
from cgkit.translation.translator import Translator
from tests.conftest import Result

KEEPING = ["train.steps=12", "evaluation.every=2", "evaluation.best=psnr", "checkpoint.every=5", "checkpoint.keep=100"]


def scores_of(folder: Path, name: str = "psnr") -> dict[int, float]:
    """The mean of both directions, by step."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return {line["step"]: (line[f"{name}_a2b"] + line[f"{name}_b2a"]) / 2 for line in lines if f"{name}_a2b" in line}


def step_of(model: Path) -> int:
    return int(json.loads((model / "config.json").read_text())["step"])


def weights(model: Path) -> dict[str, torch.Tensor]:
    return load_file(model / "model.safetensors")


def assert_same_model(one: Path, other: Path) -> None:
    assert step_of(one) == step_of(other)
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, tiny_text: str, plugins: Plugins) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("kept")
    (folder / "spec.toml").write_text(tiny_text)
    return run(folder / "spec.toml", overrides=KEEPING, output=folder / "run", plugins=plugins).folder


def test_the_best_model_has_the_highest_score(kept: Path, tmp_path: Path, plugins: Plugins) -> None:
    scores = scores_of(kept)
    assert list(scores) == [2, 4, 6, 8, 10, 12]
    best = max(scores, key=scores.__getitem__)
    assert step_of(kept / "best") == best
    assert step_of(kept / "model") == 12
    overrides = ["train.steps=12", f"checkpoint.every={best}"]
    other = run(kept / "spec.toml", overrides=overrides, output=tmp_path / "run", plugins=plugins)
    saved = list_checkpoints(other.folder / "checkpoints")
    then = load_file(next(path for path in saved if int(path.name[-6:]) == best) / "model.safetensors")
    assert all(torch.equal(then[f"generators.{name}"], tensor) for name, tensor in weights(kept / "best").items())


def test_the_best_model_translates_and_is_evaluated_like_the_last_one(
    kept: Path, plugins: Plugins, cgkit: Callable[..., object]
) -> None:
    Translator.load(kept / "best", plugins=plugins, device="cpu")(torch.rand(3, 16, 16))
    result = cgkit("evaluate", f"{kept}@best", "--metrics", "psnr", "--json")
    best = step_of(kept / "best")
    assert result.json["step"] == best
    values = [one["value"] for one in result.json["numbers"]]
    assert sum(values) / 2 == pytest.approx(scores_of(kept)[best])
    assert json.loads((kept / "evaluation.json").read_text())["step"] == 12
    assert json.loads((kept / "best" / "evaluation.json").read_text())["step"] == best


def test_the_lowest_score_is_best_if_lower_is_better(tiny_spec: Path, tmp_path: Path, plugins: Plugins) -> None:
    overrides = [*KEEPING, "evaluation.best=l1", "evaluation.direction=a2b"]
    folder = run(tiny_spec, overrides=overrides, output=tmp_path / "run", plugins=plugins).folder
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scores = {line["step"]: line["l1_a2b"] for line in lines if "l1_a2b" in line}
    assert step_of(folder / "best") == min(scores, key=scores.__getitem__)


@pytest.mark.parametrize("stop", [3, 6, 9])
def test_a_run_that_was_killed_keeps_the_same_best_model(
    kept: Path, tiny_spec: Path, tmp_path: Path, plugins: Plugins, stop: int
) -> None:
    folder = tmp_path / "run"
    # As a kill leaves it: what came after the newest checkpoint is there, and not known to it.
    shutil.copytree(kept, folder)
    for checkpoint in list_checkpoints(folder / "checkpoints"):
        if int(checkpoint.name.rpartition("-")[2]) > stop:
            shutil.rmtree(checkpoint)
    run(tiny_spec, overrides=KEEPING, output=folder, plugins=plugins)
    assert_same_model(folder / "best", kept / "best")
    assert_same_model(folder / "model", kept / "model")
    assert scores_of(folder) == scores_of(kept)


@pytest.mark.parametrize(("name", "step"), [("best", 2), ("model", 12)])
def test_a_model_that_cannot_be_written_costs_no_step(
    kept: Path, tiny_spec: Path, tmp_path: Path, plugins: Plugins, cgkit: Callable[..., Result], name: str, step: int
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / name).write_text("in place of the folder")
    overrides = [part for setting in KEEPING for part in ("--set", setting)]
    result = cgkit("run", tiny_spec, "--output", folder, *overrides)
    assert result.code == 7
    assert f"{folder / name} cannot be written: " in result.err
    assert f"step {step} is saved: remove what is in its place, or make it writable, and run again" in result.err
    assert int(list_checkpoints(folder / "checkpoints")[-1].name[-6:]) == step
    (folder / name).unlink()
    run(tiny_spec, overrides=[*KEEPING, f"train.steps={step}"], output=folder, plugins=plugins)
    assert step_of(folder / name) == step
    run(tiny_spec, overrides=KEEPING, output=folder, plugins=plugins)
    for model in ("best", "model"):
        assert_same_model(folder / model, kept / model)
    assert scores_of(folder) == scores_of(kept)


def test_training_ends_when_patience_is_over(tiny_spec: Path, tmp_path: Path, plugins: Plugins) -> None:
    # What is higher is worse here: the first score stays the best one as long as the model learns.
    overrides = ["train.steps=40", "evaluation.every=1", "evaluation.best=psnr", "evaluation.better=lower"]
    overrides += ["evaluation.patience=3", "train.learning_rate=0.002"]
    folder = tmp_path / "run"
    outcome = run(tiny_spec, overrides=overrides, output=folder, plugins=plugins)
    scores = scores_of(folder)
    best = min(scores, key=scores.__getitem__)
    assert outcome.state == "finished"
    assert outcome.step == best + 3 < 40
    assert list(scores) == list(range(1, best + 4))
    assert step_of(folder / "best") == best
    assert step_of(folder / "model") == outcome.step
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["step"], status["steps"]) == ("finished", outcome.step, 40)
    again = run(tiny_spec, overrides=overrides, output=folder, plugins=plugins)
    assert (again.state, again.step, again.scores) == ("finished", outcome.step, outcome.scores)
    assert scores_of(folder) == scores
    more = run(tiny_spec, overrides=[*overrides, "evaluation.patience=4"], output=folder, plugins=plugins)
    assert more.step > outcome.step


@pytest.mark.parametrize(
    ("settings", "path", "message"),
    [
        (["best=fidd"], "evaluation.best", '"fidd" is not among the metrics that are computed for these images: psnr'),
        (["patience=2", "every=1"], "evaluation.patience", "needs evaluation.best"),
        (["patience=2", "best=psnr"], "evaluation.patience", "needs evaluation.every"),
        (["direction=c"], "evaluation.direction", "both"),
    ],
)
def test_a_metric_that_cannot_decide_is_refused_before_training(
    settings: list[str], path: str, message: str, tiny_spec: Path, tmp_path: Path, plugins: Plugins
) -> None:
    with pytest.raises(SpecError) as refused:
        run(
            tiny_spec,
            overrides=[f"evaluation.{one}" for one in settings],
            output=tmp_path / "run",
            plugins=plugins,
        )
    assert [problem.path for problem in refused.value.problems] == [path]
    assert message in str(refused.value)


def number(value: float, direction: str = "a2b") -> Number:
    return Number("any", direction, value, None, None, None, None, {})


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=20), st.integers(0, 20))
def test_the_standing_survives_a_checkpoint_at_any_step(values: list[float], cut: int) -> None:
    settings = Evaluation(best="any", direction="a2b", better="higher", patience=3, every=1)
    whole, first = BestModel(settings, (), DIRECTIONS["both"]), BestModel(settings, (), DIRECTIONS["both"])
    for step, value in enumerate(values, 1):
        whole.judge(step, [number(value)])
    for step, value in enumerate(values[:cut], 1):
        first.judge(step, [number(value)])
    second = BestModel(settings, (), DIRECTIONS["both"])
    second.load(json.loads(json.dumps(first.state())))
    for step, value in enumerate(values, 1):
        second.judge(step, [number(value)])  # those of before are not judged twice
    assert second.standing == whole.standing
    assert whole.standing.value == max(values)
    assert whole.standing.step == 1 + values.index(max(values))
    assert whole.patience_is_over == (len(values) - whole.standing.step >= 3)


def test_another_metric_starts_from_scratch_and_a_missing_score_decides_nothing() -> None:
    settings = Evaluation(best="any", better="lower")
    best = BestModel(settings, (), DIRECTIONS["both"])
    assert not best.judge(1, [number(1.0)])  # of one direction alone
    assert best.judge(2, [number(1.0), number(3.0, "b2a")])
    assert best.standing.value == 2
    other = BestModel(settings.model_copy(update={"direction": "b2a"}), (), DIRECTIONS["both"])
    other.load(best.state())
    assert other.standing.step is None


def test_scores_of_other_framings_are_not_compared() -> None:
    settings = Evaluation(best="any", direction="a2b", better="lower")
    covering = BestModel(settings, (), DIRECTIONS["both"])
    assert covering.judge(1, [number(1.0)])
    framed = BestModel(settings, (), DIRECTIONS["both"], "scaled by resize-and-crop, cut at the centre")
    framed.load(covering.state())
    assert framed.judge(2, [number(2.0)])
    same = BestModel(settings, (), DIRECTIONS["both"], "scaled by resize-and-crop, cut at the centre")
    same.load(framed.state())
    assert same.standing.value == 2
