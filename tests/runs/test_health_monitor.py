"""Runs that fail in every way that the rules know, and healthy runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from cgkit.health.notes import Note, read_notes
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.folder import RunFolder
from cgkit.runs.start import run
from cgkit.spec.images import in_words
from tests.conftest import RecordingReporter, Result

EXAMPLES = Path(__file__).parents[2] / "examples"
WATCHED = ["train.steps=100", "samples.every=25", "checkpoint.every=50"]
SEASONS = ["data.train=24"]


class Linear(nn.Module):
    """A generator that starts as the identity, or as the negative."""

    initialises_itself = True

    def __init__(self, in_channels: int, out_channels: int, *, sign: float = 1.0) -> None:
        super().__init__()
        self.colours = nn.Conv2d(in_channels, out_channels, 1)
        with torch.no_grad():
            self.colours.weight.copy_(sign * torch.eye(out_channels, in_channels)[:, :, None, None])
            self.colours.bias.zero_()

    def forward(self, images: Tensor) -> Tensor:
        return self.colours(images).clamp(-1, 1)


@pytest.fixture(scope="module")
def linear() -> Plugins:
    plugins = load_plugins(installed=False)
    plugins.registries.generators.add("linear", Linear)
    return plugins


@pytest.fixture
def noted(tiny_spec: Path, tmp_path: Path, linear: Plugins) -> Callable[..., dict[tuple[str, str | None], Note]]:
    """Train a tiny run with some overrides; return its notes by rule and direction."""

    def train(*overrides: str, text: str | None = None, name: str = "run") -> dict[tuple[str, str | None], Note]:
        if text is not None:
            tiny_spec.write_text(text)
        heard = RecordingReporter()
        folder = tmp_path / name
        run(tiny_spec, overrides=[*WATCHED, *overrides], output=folder, plugins=linear, reporter=heard)
        notes = read_notes(folder)
        labels = RunFolder(folder).labels()
        assert [in_words(str(note), labels) for note in notes] == heard.warnings
        found = {(note.rule, note.direction): note for note in notes}
        assert len(found) == len(notes)  # each is noted once
        return found

    return train


def by_linear(text: str, sign: float = 1.0) -> str:
    return text.replace('name = "resnet"\nwidth = 4\nblocks = 1', f'name = "linear"\nsign = {sign}')


def of_folders(text: str, a: Path, b: Path, more: str = "") -> str:
    data = f'source = "folder"\na = "{a}"\nb = "{b}"\n{more}'
    return text.replace('source = "seasons"', data).replace("train = 12\ntest = 4\n", "")


def test_colour_inversion(noted: Callable[..., Mapping], tiny_text: str) -> None:
    found = noted(*SEASONS, "objective.identity=0", text=by_linear(tiny_text, sign=-1.0))
    assert {way for rule, way in found if rule == "colour-inversion"} == {"a2b", "b2a"}
    note = found["colour-inversion", "a2b"]
    assert note.step == 100
    assert "bright areas of domain a become dark in domain b" in note.message
    assert "objective.identity = 5" in note.advice
    assert not [rule for rule, _ in found if rule in ("collapse", "nothing-changes")]


def test_collapse(noted: Callable[..., Mapping]) -> None:
    found = noted(*SEASONS, "objective.identity=0", "objective.cycle=0", "train.learning_rate=0.1")
    note = found["collapse", "a2b"]
    assert "nearly the same image" in note.message
    assert "objective.cycle = 10" in note.advice
    assert not [rule for rule, _ in found if rule in ("colour-inversion", "nothing-changes")]


@pytest.mark.parametrize("loss", ["least-squares", "bce", "hinge"])
def test_the_discriminator_has_won(noted: Callable[..., Mapping], loss: str) -> None:
    slow = ["train.learning_rate=1e-7", "train.discriminator_learning_rate=0.005", f"adversarial_loss.name={loss}"]
    found = noted(*SEASONS, *slow)
    assert set(found) == {("discriminator-has-won", "a2b"), ("discriminator-has-won", "b2a")}
    assert "train.discriminator_learning_rate = 0.00125" in found["discriminator-has-won", "a2b"].advice


def test_nothing_changes(noted: Callable[..., Mapping], tiny_text: str) -> None:
    held = ["objective.identity=50", "train.discriminator_learning_rate=0.005"]
    found = noted(*SEASONS, *held, text=by_linear(tiny_text))
    assert "translations are nearly identical to their sources" in found["nothing-changes", "b2a"].message
    assert "objective.identity = 25" in found["nothing-changes", "b2a"].advice
    assert {rule for rule, _ in found} <= {"nothing-changes", "discriminator-has-won"}


def test_the_advice_is_an_adversarial_loss_if_there_is_none(noted: Callable[..., Mapping], tiny_text: str) -> None:
    found = noted("objective.adversarial=0", text=by_linear(tiny_text))
    assert set(found) == {("nothing-changes", "a2b"), ("nothing-changes", "b2a")}
    assert "objective.adversarial = 1" in found["nothing-changes", "a2b"].advice


@pytest.fixture
def noise(tmp_path: Path, image_folder: Callable[..., Path]) -> tuple[Path, ...]:
    """Few training images of noise, which can only be distinguished from test images by memorising them."""
    names = (("a", 3), ("b", 3), ("test_a", 16), ("test_b", 16))
    return tuple(image_folder(name, count, (16, 16)) for name, count in names)


def test_a_discriminator_that_has_memorised_its_images(
    noted: Callable[..., Mapping], tiny_text: str, noise: tuple[Path, ...]
) -> None:
    a, b, test_a, test_b = noise
    text = of_folders(by_linear(tiny_text), a, b, f'test_a = "{test_a}"\ntest_b = "{test_b}"')
    learned = ["train.discriminator_learning_rate=0.005", "discriminator.width=32", "discriminator.layers=2"]
    found = noted(*learned, "objective.identity=0", text=text)
    note = found["data-starved", "a2b"]
    assert "memorised its 3 training images" in note.message
    assert "diff-augment" in note.advice


def test_few_images_shown_often_are_noted_before_the_first_step(
    tiny_spec: Path, tmp_path: Path, plugins: Plugins
) -> None:
    overrides = [
        "data.train=1",
        "train.batch=251",
        "train.accumulate=4",
        "train.steps=1",
        "generator.width=1",
        "train.precision=fp32",
    ]
    folder = run(tiny_spec, overrides=[*overrides, "data.size=8"], output=tmp_path / "run", plugins=plugins).folder
    notes = [note for note in read_notes(folder) if note.rule == "data-starved"]
    assert [(note.step, note.direction) for note in notes] == [(0, None)] * 2
    assert "each of the 1 training images of domain a is shown 1004 times" in notes[0].message


def test_images_without_contrast_are_named(
    noted: Callable[..., Mapping], tiny_text: str, image_folder: Callable[..., Path]
) -> None:
    a, b = image_folder("a", 5), image_folder("b", 5)
    Image.new("RGB", (20, 20), (3, 3, 3)).save(b / "black.png")
    Image.fromarray(np.random.default_rng(0).integers(200, 202, (20, 20, 3), np.uint8)).save(b / "faint.png")
    found = noted("train.steps=30", text=of_folders(tiny_text, a, b, "held_out = 0"))
    note = found["near-constant-images", None]
    assert "images of domain b have almost no contrast" in note.message
    assert "black.png" in note.message
    assert "faint.png" in note.message


def test_the_seasons_example_has_no_findings(tmp_path: Path, plugins: Plugins) -> None:
    small = [
        "data.size=32",
        "data.train=60",
        "train.batch=2",
        "generator.width=8",
        "generator.blocks=2",
        "discriminator.width=8",
    ]
    often = ["train.steps=110", "samples.every=15", "evaluation.count=4"]
    heard = RecordingReporter()
    folder = run(
        EXAMPLES / "seasons.toml",
        overrides=[*small, *often],
        output=tmp_path / "run",
        plugins=plugins,
        reporter=heard,
    ).folder
    assert heard.warnings == []
    assert read_notes(folder) == ()


def test_a_resumed_run_notes_what_an_uninterrupted_one_does(
    tiny_spec: Path, tmp_path: Path, tiny_text: str, linear: Plugins
) -> None:
    tiny_spec.write_text(by_linear(tiny_text, sign=-1.0))
    steady = ["schedule.name=constant", "objective.identity=0", "samples.every=10", "checkpoint.every=30"]
    whole = run(tiny_spec, overrides=[*steady, "train.steps=130"], output=tmp_path / "whole", plugins=linear).folder
    parts = tmp_path / "parts"
    for steps in (70, 130):
        run(tiny_spec, overrides=[*steady, f"train.steps={steps}"], output=parts, plugins=linear)
    assert len(read_notes(whole)) >= 2
    assert (parts / "health.jsonl").read_bytes() == (whole / "health.jsonl").read_bytes()
    # As if it had been killed after what it noted, and before it saved.
    for late in sorted((parts / "checkpoints").iterdir())[-2:]:
        shutil.rmtree(late)
    run(tiny_spec, overrides=[*steady, "train.steps=130"], output=parts, plugins=linear)
    assert (parts / "health.jsonl").read_bytes() == (whole / "health.jsonl").read_bytes()


def test_a_monitor_that_fails_warns_once_and_the_run_goes_on(tiny_spec: Path, tmp_path: Path) -> None:
    class Small(nn.Module):
        """A discriminator that takes two images at most."""

        def __init__(self, in_channels: int) -> None:
            super().__init__()
            self.layer = nn.Conv2d(in_channels, 1, 4, 4)

        def forward(self, images: Tensor) -> Tensor:
            if len(images) > 2:
                raise ValueError("more than two")
            return self.layer(images)

    plugins = load_plugins(installed=False)
    plugins.registries.discriminators.add("small", Small)
    tiny_spec.write_text(tiny_spec.read_text().replace('name = "patch"\nwidth = 4\nlayers = 1', 'name = "small"'))
    heard = RecordingReporter()
    overrides = ["samples.every=1", "samples.count=3", "train.batch=1"]
    outcome = run(tiny_spec, overrides=overrides, output=tmp_path / "run", plugins=plugins, reporter=heard)
    assert outcome.state == "finished"
    warnings = [text for text in heard.warnings if text.startswith("health, in samples_drawn, failed")]
    assert len(warnings) == 1
    assert "more than two" in warnings[0]


def test_check_reports_what_is_known_before_training(
    cgkit: Callable[..., Result], tiny_spec: Path, tiny_text: str, image_folder: Callable[..., Path]
) -> None:
    a, b = image_folder("a", 5), image_folder("b", 5)
    for number in range(3):
        Image.new("RGB", (20, 20), (number, 9, 9)).save(b / f"flat-{number}.png")
    (a / "same.png").write_bytes((b / "image-1.png").read_bytes())
    (a / "again.png").write_bytes((a / "image-2.png").read_bytes())
    tiny_spec.write_text(of_folders(tiny_text, a, b, "held_out = 0"))
    result = cgkit("check", tiny_spec, "--json", "--set", "train.steps=10000")
    notes = {note["rule"]: note for note in result.json["notes"]}
    assert set(notes) == {"data-starved", "near-constant-images", "duplicates"}
    assert "image-1.png is in both domains" in notes["duplicates"]["message"]
    assert "3 of 8 images of domain b" in notes["near-constant-images"]["message"]
    assert "near-constant-images" in cgkit("check", tiny_spec).err
    assert "notes" not in cgkit("check", tiny_spec, "--set", "data.a=" + str(b.parent / "none"), "--json").json


class Normalised(nn.Sequential):
    """A discriminator with the spectral norm that hooks compute before each forward pass."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(spectral_norm(nn.Conv2d(in_channels, 4, 4, stride=2)), nn.ReLU(), nn.Conv2d(4, 1, 3))


def test_a_discriminator_with_spectral_norm_is_observed(tiny_spec: Path, tmp_path: Path) -> None:
    tiny_spec.write_text(tiny_spec.read_text().replace('"patch"\nwidth = 4\nlayers = 1', '"normalised"'))
    plugins = load_plugins(installed=False)
    plugins.registries.discriminators.add("normalised", Normalised)
    reporter = RecordingReporter()
    overrides = ["samples.every=1", "data.size=32"]
    run(tiny_spec, output=tmp_path / "run", plugins=plugins, reporter=reporter, overrides=overrides)
    assert [warning for warning in reporter.warnings if "health" in warning] == []
