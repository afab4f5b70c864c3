"""RUN@STEP, RUN@best and RUN@last name the checkpoints of a run, wherever a model or a run is wanted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from filelock import FileLock

from cgkit.checkpoints import Checkpoint, list_checkpoints, write_checkpoint
from cgkit.errors import CgkitWarning, CheckpointError
from cgkit.models.address import Address
from cgkit.plugins import Plugins
from cgkit.runs.start import run
from cgkit.translation.translator import Translator
from tests.conftest import TINY, Result, load_image

Cli = Callable[..., Result]
MakeFolder = Callable[..., Path]

pytestmark = pytest.mark.filterwarnings("default::cgkit.errors.CgkitWarning")

KEEP_ALL = ("checkpoint.every=1", "checkpoint.keep=9", "train.ema=0.5", "samples.every=1", "log.every=1")
BEST = ("evaluation.every=1", "evaluation.best=psnr")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of four steps that keeps all checkpoints and its best model."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("addressed")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", overrides=[*KEEP_ALL, *BEST], output=folder / "run").folder


@pytest.fixture
def unfinished(finished: Path, tmp_path: Path) -> Path:
    """A run that was stopped after three steps."""
    folder = Path(shutil.copytree(finished, tmp_path / "unfinished"))
    for name in ("model", "best"):
        shutil.rmtree(folder / name)
    shutil.rmtree(list_checkpoints(folder / "checkpoints")[-1])
    (folder / "evaluation.json").unlink()
    status = json.loads((folder / "status.json").read_text())
    (folder / "status.json").write_text(json.dumps({**status, "state": "stopped", "step": 3}))
    return folder


@pytest.fixture
def in_use(unfinished: Path) -> Iterator[Path]:
    """The same run, whose folder is locked as while it trains."""
    with FileLock(unfinished / ".lock"):
        yield unfinished


def images_at(step: int, finished: Path, tmp_path: Path, **settings: object) -> Translator:
    """Load the model of a run that ended at a step."""
    output = tmp_path / f"ends-at-{step}"
    overrides = [*KEEP_ALL, "schedule.name=constant", f"train.steps={step}"]
    run(finished / "spec.toml", overrides=overrides, output=output)
    return Translator.load(output, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("weights", ["ema", "raw"])
def test_a_step_is_the_model_of_a_run_that_ended_there(
    finished: Path, tmp_path: Path, weights: str, plugins: Plugins
) -> None:
    longer = tmp_path / "longer"
    run(finished / "spec.toml", overrides=[*KEEP_ALL, "schedule.name=constant"], output=longer)
    expected = images_at(2, finished, tmp_path, weights=weights)
    actual = Translator.load(f"{longer}@2", weights=weights, plugins=plugins)  # type: ignore[arg-type]
    assert actual.identity() == expected.identity()
    assert actual.info.step == 2
    assert actual.network("b2a") is not actual.network("a2b")


def test_last_is_the_newest_checkpoint_and_best_the_best_model(finished: Path, plugins: Plugins) -> None:
    final = Translator.load(finished, plugins=plugins).identity()
    assert Translator.load(f"{finished}@last", plugins=plugins).identity() == final
    assert Translator.load(f"{finished}@4", plugins=plugins).identity() == final
    best = Translator.load(finished / "best", plugins=plugins)
    assert Translator.load(f"{finished}@best", plugins=plugins).identity() == best.identity()
    assert Translator.load(f"{finished}@{best.info.step}", plugins=plugins).identity() == best.identity()


def test_a_run_that_trains_translates_with_its_newest_checkpoint(
    cgkit: Cli, in_use: Path, image_folder: MakeFolder, tmp_path: Path
) -> None:
    photos = image_folder("photos", 2)
    plain = cgkit("translate", in_use, photos, "--output", tmp_path / "plain")
    assert plain.code == 0
    assert plain.err.count("has not ended, so its newest checkpoint is used, that of step 3") == 1
    named = cgkit("translate", f"{in_use}@3", photos, "--output", tmp_path / "named")
    assert "has not ended" not in named.err
    for name in ("image-0.png", "image-1.png"):
        first, second = (np.asarray(load_image(tmp_path / folder / name)) for folder in ("plain", "named"))
        assert np.array_equal(first, second)


def test_a_finished_run_that_is_made_longer_uses_its_newest_checkpoint(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "longer"))
    config = json.loads((folder / "model" / "config.json").read_text())
    (folder / "model" / "config.json").write_text(json.dumps({**config, "step": 2}))
    with pytest.warns(CgkitWarning, match="has not ended.*step 4"):
        assert Translator.load(folder).info.step == 4


@pytest.mark.parametrize("place", ["7", "99999999999999999999999999", "newest", "-1"])
def test_an_unknown_step_is_refused_with_the_steps_that_are_kept(
    cgkit: Cli, finished: Path, tmp_path: Path, place: str
) -> None:
    address, output = f"{finished}@{place}", ("--output", tmp_path / "output")
    for command in (
        ("translate", address, tmp_path, *output),
        ("export", address, "--format", "published", *output),
        ("evaluate", address),
        ("report", address),
        ("compare", finished, address),
    ):
        result = cgkit(*command)
        assert result.code == 5, result.err
        assert "has no checkpoint" in result.err
        assert "kept steps: 1, 2, 3, 4" in result.err
    assert not (tmp_path / "output").exists()


def test_best_is_refused_if_there_is_none(cgkit: Cli, unfinished: Path) -> None:
    result = cgkit("evaluate", f"{unfinished}@best")
    assert (result.code, "set evaluation.best to keep one" in result.err) == (5, True)


def test_a_run_without_a_checkpoint_is_refused(cgkit: Cli, unfinished: Path, tmp_path: Path) -> None:
    shutil.rmtree(unfinished / "checkpoints")
    for address in (unfinished, f"{unfinished}@last"):
        result = cgkit("translate", address, tmp_path, "--output", tmp_path / "output")
        assert (result.code, "has no checkpoint yet" in result.err) == (5, True)


def test_a_path_with_an_at_sign_that_exists_is_that_path(finished: Path, tmp_path: Path, plugins: Plugins) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run@2"))
    shutil.copytree(finished, tmp_path / "run")
    assert Translator.load(folder, plugins=plugins).info.step == 4
    assert Translator.load(f"{folder}@3", plugins=plugins).info.step == 3


def test_a_checkpoint_that_the_run_removes_during_reading_is_reported_as_gone(tmp_path: Path) -> None:
    checkpoints, tensors = tmp_path / "checkpoints", {"model": {"weight": torch.zeros(200_000)}}
    write_checkpoint(checkpoints, Checkpoint(1, tensors, {}), keep=1)

    def write() -> None:
        for step in range(2, 60):
            write_checkpoint(checkpoints, Checkpoint(step, tensors, {}), keep=1)

    writer = Thread(target=write)
    writer.start()
    problems, read = [], 0
    while writer.is_alive():
        for step in Address(tmp_path).steps:
            try:
                read += Address(tmp_path, step).checkpoint().step == step
            except CheckpointError as error:
                problems.append((step, str(error)))
    writer.join()
    assert read
    assert all(f"has no checkpoint of step {step}; kept steps: " in problem for step, problem in problems)


def test_a_damaged_checkpoint_is_reported(cgkit: Cli, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    file = list_checkpoints(folder / "checkpoints")[1] / "ema.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    result = cgkit("translate", f"{folder}@2", tmp_path, "--output", tmp_path / "output")
    assert (result.code, "ema.safetensors is not the file that was written" in result.err) == (5, True)


def test_scores_of_a_step_are_kept_apart_from_those_of_the_run(cgkit: Cli, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    before = (folder / "evaluation.json").read_bytes()
    result = cgkit("evaluate", f"{folder}@2", "--json")
    assert (result.code, result.json["step"], result.json["weights"]) == (0, 2, "ema")
    assert (folder / "evaluation.json").read_bytes() == before
    assert json.loads((folder / "evaluations/step-000000002/evaluation.json").read_text())["step"] == 2
    assert cgkit("evaluate", f"{folder}@best").code == 0
    assert (folder / "best" / "evaluation.json").exists()


def test_a_run_that_trains_is_evaluated_at_its_newest_checkpoint(cgkit: Cli, in_use: Path) -> None:
    result = cgkit("evaluate", in_use, "--json")
    assert (result.code, result.json["step"]) == (0, 3)
    assert "has not ended" in result.err


def test_steps_of_one_run_are_compared_by_their_own_scores(cgkit: Cli, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    values = cgkit("compare", f"{folder}@2", folder, "--json").json
    assert [(each["label"], each["step"]) for each in values["runs"]] == [("run@2", 2), ("run", 4)]
    assert values["remarks"] == [f"run@2: {folder}@2 has not been evaluated; use cgkit evaluate {folder}@2"]
    scores = cgkit("evaluate", f"{folder}@2", "--json").json["numbers"]
    values = cgkit("compare", f"{folder}@2", f"{folder}@last", "--json").json
    assert values["remarks"] == []
    assert values["numbers"][0]["numbers"][0] == scores[0]
    assert values["numbers"][0]["differences"][1] is not None


def test_the_report_of_a_step_shows_the_run_up_to_it(cgkit: Cli, finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    whole = (folder / "report.html").read_bytes()
    result = cgkit("report", f"{folder}@2")
    assert result.out.strip() == str(folder / "report-2.html")
    assert (folder / "report.html").read_bytes() == whole
    assert '"steps": [1, 2]' in (folder / "report-2.html").read_text()
    assert '"steps": [1, 2, 3, 4]' in whole.decode()


def test_a_step_is_exported(cgkit: Cli, finished: Path, tmp_path: Path) -> None:
    output = tmp_path / "generator.pth"
    assert cgkit("export", f"{finished}@2", "--format", "published", "--output", output).code == 0
    assert output.exists()
