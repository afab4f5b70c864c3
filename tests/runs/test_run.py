"""What a run writes, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from PIL import Image
from safetensors.torch import load_file

from cgkit.checkpoints import list_checkpoints, read_latest
from cgkit.errors import DataError, DivergedError, RunFolderInUseError, SpecError
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.start import run
from tests.conftest import RecordingReporter


def test_a_run_folder_documents_the_whole_run(tiny_spec: Path, tmp_path: Path, plugins: Plugins) -> None:
    outcome = run(tiny_spec, output=tmp_path / "run", plugins=plugins)
    folder = outcome.folder
    assert outcome.state == "finished"
    assert outcome.step == 4
    assert (folder / "spec.original.toml").read_text() == tiny_spec.read_text()
    resolved = json.loads((folder / "spec.resolved.json").read_text())
    assert resolved["generator"]["a2b"]["name"] == "resnet"
    assert resolved["schedule"]["generators"]["name"] == "constant-then-linear"
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["packages"]["torch"].split("+")[0] == torch.__version__.split("+")[0]
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["step"], status["steps"]) == ("finished", 4, 4)
    assert [path.name for path in list_checkpoints(folder / "checkpoints")] == ["step-000000002", "step-000000004"]
    assert {path.name for path in (folder / "model").iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
    }
    with Image.open(folder / "samples" / "step-000004.png") as sheet:
        assert sheet.mode == "RGB"


def test_losses_and_scores_are_recorded(tiny_spec: Path, tmp_path: Path, plugins: Plugins) -> None:
    outcome = run(tiny_spec, overrides=["log.every=2"], output=tmp_path / "run", plugins=plugins)
    lines = [json.loads(line) for line in (outcome.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 4]
    assert {"adversarial_a2b", "cycle_forward", "identity_a", "discriminator_b", "learning_rate"} <= lines[0].keys()
    assert {"psnr_a2b", "ssim_b2a", "l1_a2b"} <= lines[-1].keys()
    scores = {(score.name, score.direction): score for score in outcome.scores}
    assert scores["psnr", "a2b"].value == pytest.approx(lines[-1]["psnr_a2b"])
    assert scores["psnr", "a2b"].untranslated is not None


def test_the_moving_average_translates(tiny_spec: Path, tmp_path: Path, plugins: Plugins) -> None:
    folder = run(tiny_spec, overrides=["train.ema=0.5"], output=tmp_path / "run", plugins=plugins).folder
    newest = list_checkpoints(folder / "checkpoints")[-1]
    averaged, model = load_file(newest / "ema.safetensors"), load_file(folder / "model" / "model.safetensors")
    assert all(torch.equal(averaged[name], tensor) for name, tensor in model.items())


def test_the_seed_decides_the_result(tiny_spec: Path, tmp_path: Path, plugins: Plugins) -> None:
    def weights(name: str, seed: int) -> dict[str, torch.Tensor]:
        folder = run(tiny_spec, overrides=[f"seed={seed}"], output=tmp_path / name, plugins=plugins).folder
        return load_file(folder / "model" / "model.safetensors")

    first, again, other = weights("first", 1), weights("again", 1), weights("other", 2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_epochs_become_steps_of_the_larger_domain(
    tiny_spec: Path, tmp_path: Path, plugins: Plugins, image_folder: Callable[..., Path]
) -> None:
    a, b = image_folder("a", 4), image_folder("b", 8)
    text = tiny_spec.read_text().replace("steps = 4", "epochs = 2").replace('source = "seasons"', "")
    data = f'[data]\nsource = "folder"\na = "{a}"\nb = "{b}"\nheld_out = 0'
    tiny_spec.write_text(text.replace("[data]", data).replace("train = 12\ntest = 4\n", ""))
    assert run(tiny_spec, output=tmp_path / "run", plugins=plugins).step == 8


def test_a_changed_spec_is_refused_with_the_difference_and_its_line(
    tiny_spec: Path, tmp_path: Path, plugins: Plugins
) -> None:
    run(tiny_spec, output=tmp_path / "run", plugins=plugins)
    line = tiny_spec.read_text().splitlines().index("batch = 2") + 1
    tiny_spec.write_text(tiny_spec.read_text().replace("batch = 2", "batch = 3"))
    with pytest.raises(SpecError, match=rf"spec\.toml:{line}: train\.batch: was 2 when .*, now 3"):
        run(tiny_spec, overrides=["seed=4"], output=tmp_path / "run", plugins=plugins)


def test_length_and_intervals_may_change(tiny_spec: Path, tmp_path: Path, plugins: Plugins) -> None:
    run(tiny_spec, output=tmp_path / "run", plugins=plugins)
    overrides = ["train.steps=6", "checkpoint.every=3", "samples.every=1", "log.every=1", "evaluation.every=5"]
    assert run(tiny_spec, overrides=overrides, output=tmp_path / "run", plugins=plugins).step == 6


def test_other_training_images_are_refused(
    tmp_path: Path, plugins: Plugins, tiny_spec: Path, image_folder: Callable[..., Path]
) -> None:
    a, b = image_folder("a"), image_folder("b")
    data = f'[data]\nsource = "folder"\na = "{a}"\nb = "{b}"'
    tiny_spec.write_text(
        tiny_spec.read_text().replace('[data]\nsource = "seasons"', data).replace("train = 12\ntest = 4\n", "")
    )
    run(tiny_spec, output=tmp_path / "run", plugins=plugins)
    Image.new("RGB", (20, 20)).save(a / "new.png")
    with pytest.raises(DataError, match="domain a have changed"):
        run(tiny_spec, overrides=["train.steps=6"], output=tmp_path / "run", plugins=plugins)


def test_a_folder_in_use_is_left_alone(tiny_spec: Path, tmp_path: Path, plugins: Plugins) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    with FileLock(folder / ".lock"), pytest.raises(RunFolderInUseError, match="is in use"):
        run(tiny_spec, output=folder, plugins=plugins)
    assert [path.name for path in folder.iterdir()] == [".lock"]


class Exploding:
    """A distance that is infinite from the seventh call on: one is before training, two are in each step."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, reconstruction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return (reconstruction - target).abs().mean() * (float("inf") if self.calls > 6 else 1)


@pytest.mark.parametrize("steps", [3, 4], ids=["in the last step", "before"])
def test_a_loss_that_is_not_finite_is_named_with_its_images_and_the_state_before_is_saved(
    tiny_spec: Path, tmp_path: Path, steps: int
) -> None:
    plugins = load_plugins(installed=False)
    plugins.registries.reconstruction_losses.add("exploding", Exploding)
    folder = tmp_path / "run"
    message = r"not finite at step 3: cycle_backward = inf; the step was not applied; the images were scene-"
    overrides = ["cycle_loss.name=exploding", f"train.steps={steps}", "checkpoint.every=100"]
    with pytest.raises(DivergedError, match=message):
        run(tiny_spec, overrides=overrides, output=folder, plugins=plugins)
    status = json.loads((folder / "status.json").read_text())
    assert (status["state"], status["exit_code"], status["step"]) == ("diverged", 6, 2)
    newest = list_checkpoints(folder / "checkpoints")[-1]
    assert newest.name == "step-000000002"
    saved = read_latest(folder / "checkpoints", report=pytest.fail)
    assert saved is not None
    assert len(saved.state["unrecorded"]) == 2
    assert all(tensor.isfinite().all() for tensor in load_file(newest / "model.safetensors").values())


def test_hooks_and_trackers_that_fail_are_set_aside_and_the_run_goes_on(tiny_spec: Path, tmp_path: Path) -> None:
    import cgkit

    class Faulty:
        calls = 0

        @cgkit.hookimpl
        def cgkit_step_finished(self, step: int) -> None:
            self.calls += 1
            raise RuntimeError("no disk here")

    class Watching:
        def __init__(self) -> None:
            self.seen: list[str] = []

        @cgkit.hookimpl
        def cgkit_run_started(self, run: object) -> None:
            self.seen.append("started")

        @cgkit.hookimpl
        def cgkit_step_finished(self, step: int, losses: dict[str, torch.Tensor]) -> None:
            self.seen.append(f"step {step}")

        @cgkit.hookimpl
        def cgkit_checkpoint_saved(self, step: int, folder: Path) -> None:
            self.seen.append(f"saved {folder.name}")

        @cgkit.hookimpl
        def cgkit_run_finished(self, error: BaseException | None) -> None:
            self.seen.append(f"finished {error}")

    class FullTracker:
        """A tracker whose disk is full."""

        def __init__(self, folder: Path) -> None:
            pass

        def record(self, step: int, values: object) -> None:
            raise OSError(28, "No space left on device")

        def rewind(self, step: int) -> None:
            pass

        def close(self) -> None:
            pass

    plugins = load_plugins(installed=False)
    faulty, watching, heard = Faulty(), Watching(), RecordingReporter()
    plugins.manager.register(faulty, "faulty")
    plugins.manager.register(watching, "watching")
    plugins.registries.trackers.add("full", FullTracker)
    with tiny_spec.open("a") as stream:
        stream.write('\n[[tracker]]\nname = "full"\n')
    outcome = run(tiny_spec, output=tmp_path / "run", plugins=plugins, reporter=heard)
    assert outcome.state == "finished"
    assert faulty.calls == 1
    assert watching.seen == [
        "started",
        "step 1",
        "step 2",
        "saved step-000000002",
        "step 3",
        "step 4",
        "saved step-000000004",
        "finished None",
    ]
    assert any("faulty" in text and "no disk here" in text for text in heard.warnings)
    assert any("tracker full" in text for text in heard.warnings)
    assert (outcome.folder / "metrics.jsonl").exists()
