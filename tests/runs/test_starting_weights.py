"""A new run starts from the weights of a run, a checkpoint, a model or a file, as far as they fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from cgkit.checkpoints import list_checkpoints
from cgkit.runs.start import run
from tests.conftest import Result

STILL = ("train.steps=1", "train.learning_rate=1e-9", "schedule.name=constant", "seed=8")
"""Settings with which the weights after training are still those at the start."""

Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def source(tiny_text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a moving average, two checkpoints and a best model."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "spec.toml").write_text(tiny_text)
    settings = ["train.ema=0.5", "train.learning_rate=0.01", "evaluation.every=2", "evaluation.best=psnr"]
    run(folder / "spec.toml", overrides=settings, output=folder / "run")
    return folder / "run"


@pytest.fixture
def train(tiny_spec: Path, tmp_path: Path, cgkit: Callable[..., Result]) -> Callable[..., Result]:
    def train(*settings: str, folder: str = "run", command: str = "run") -> Result:
        output = ("--output", tmp_path / folder) if command == "run" else ()
        return cgkit(command, tiny_spec, *output, *(part for text in settings for part in ("--set", text)))

    return train


def newest(folder: Path, file: str = "model") -> Tensors:
    return load_file(list_checkpoints(folder / "checkpoints")[-1] / f"{file}.safetensors")


def part(tensors: Tensors, name: str) -> Tensors:
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}


def are_close(one: Tensors, other: Tensors) -> bool:
    assert one
    assert one.keys() == other.keys()
    return all(torch.allclose(one[name], other[name], rtol=0, atol=1e-6) for name in one)


@pytest.mark.parametrize("address", ["run", "run@2", "run@last", "run@best", "run/model"])
@pytest.mark.parametrize("weights", ["auto", "raw"])
def test_generators_start_from_every_kind_of_address(
    address: str, weights: str, source: Path, train: Callable[..., Result], tmp_path: Path
) -> None:
    started = train(f"start.from={source.parent / address}", f"start.weights={weights}", *STILL)
    assert started.code == 0, started.err
    step = 2 if address == "run@2" else 4
    if address in ("run@best", "run/model"):
        folder = source / ("best" if address == "run@best" else "model")
        expected = load_file(folder / ("raw.safetensors" if weights == "raw" else "model.safetensors"))
        step = json.loads((folder / "config.json").read_text())["step"]
    else:
        checkpoint = source / "checkpoints" / f"step-{step:09}"
        model = load_file(checkpoint / "model.safetensors")
        expected = part(model, "generators") if weights == "raw" else load_file(checkpoint / "ema.safetensors")
        assert are_close(part(newest(tmp_path / "run"), "discriminators"), part(model, "discriminators"))
    assert are_close(part(newest(tmp_path / "run"), "generators"), expected)
    kind = "weights as trained" if weights == "raw" else "moving average"
    assert f"starting from {source.parent / address} (step {step}, {kind})" in started.err
    assert "generator a2b: all 9 tensors" in started.err


def test_the_run_and_the_model_card_name_the_source(source: Path, train: Callable[..., Result], tmp_path: Path) -> None:
    train(f"start.from={source}@2", *STILL)
    (written,) = json.loads((tmp_path / "run" / "start.json").read_text())["sources"]
    assert (written["address"], written["step"], written["weights"]) == (f"{source}@2", 2, "ema")
    manifest = json.loads((source / "checkpoints" / "step-000000002" / "MANIFEST.json").read_text())
    assert written["sha256"] == manifest["files"]["ema.safetensors"]["sha256"]
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert (
        f"run@2 (step 2, moving average, sha256 {written['sha256'][:16]})\n  - generator a2b: all 9 tensors\n" in card
    )
    config = json.loads((tmp_path / "run" / "model" / "config.json").read_text())
    assert config["spec"]["start"]["from"] == {"a2b": "run@2", "b2a": "run@2"}
    assert str(source.parent.parent) not in json.dumps(config) + card, "a model does not reveal folders"


def test_a_path_is_relative_to_the_specs_file(
    source: Path, tiny_spec: Path, train: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(source, tmp_path / "runs" / "other")
    tiny_spec.write_text(tiny_spec.read_text() + '\n[start]\nfrom = "runs/other@2"\n')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert train(*STILL).code == 0


def test_the_moving_average_starts_from_the_same_weights(
    source: Path, train: Callable[..., Result], tmp_path: Path
) -> None:
    train(f"start.from={source}", "train.ema=0.9", *STILL)
    assert are_close(newest(tmp_path / "run", "ema"), newest(source, "ema"))


def test_a_published_file_starts_the_generator_of_its_direction(
    source: Path, train: Callable[..., Result], tmp_path: Path, cgkit: Callable[..., Result]
) -> None:
    file = tmp_path / "latest_net_G_A.pth"
    assert cgkit("export", source, "--format", "published", "--output", file).code == 0
    refused = train(f"start.from={file}", *STILL)
    assert refused.code == 2
    assert (
        'a file holds one network, so its direction has to be given; for example from = { a2b = "latest' in refused.err
    )
    started = train(f"start.from={{b2a='{file}'}}", *STILL)
    assert started.code == 0, started.err
    generators = part(newest(tmp_path / "run"), "generators")
    assert are_close(part(generators, "b2a"), part(newest(source, "ema"), "a2b"))
    assert not are_close(part(generators, "a2b"), part(newest(source, "ema"), "a2b"))
    assert "discriminator a: 0 of 5 tensors; not taken: the source has none" in started.err


def test_the_directions_can_be_exchanged(source: Path, train: Callable[..., Result], tmp_path: Path) -> None:
    train(f"start.from={source}", "start.swap=true", *STILL)
    weights, ema, model = newest(tmp_path / "run"), newest(source, "ema"), newest(source)
    assert are_close(part(weights, "generators.a2b"), part(ema, "b2a"))
    assert are_close(part(weights, "discriminators.a"), part(model, "discriminators.b"))


def test_nothing_is_taken_from_a_direction_that_was_not_trained(train: Callable[..., Result], tmp_path: Path) -> None:
    one_sided = ("objective.adversarial={a2b=1, b2a=0}", "objective.cycle=0", "objective.identity=0")
    assert train(*one_sided, *STILL, folder="one").code == 0
    started = train(f"start.from={tmp_path / 'one'}", *STILL)
    assert started.code == 0, started.err
    assert "generator a2b: all 9 tensors" in started.err
    assert "generator b2a: 0 of 9 tensors; not taken: the source has none" in started.err
    assert "discriminator a: 0 of 5 tensors; not taken: the source has none" in started.err


def test_each_network_can_be_left_out(source: Path, train: Callable[..., Result], tmp_path: Path) -> None:
    train(*STILL, folder="scratch")
    train(f"start.from={source}", "start.discriminators=false", *STILL, folder="generators")
    train(f"start.from={source}", "start.generators=false", *STILL, folder="discriminators")
    scratch = newest(tmp_path / "scratch")
    assert are_close(part(newest(tmp_path / "generators"), "discriminators"), part(scratch, "discriminators"))
    assert are_close(part(newest(tmp_path / "discriminators"), "generators"), part(scratch, "generators"))


def test_layers_that_do_not_fit_are_listed_and_keep_their_random_weights(
    source: Path, train: Callable[..., Result], tmp_path: Path
) -> None:
    other = ("data.channels={a=3,b=1}", "objective.identity=0", "discriminator.width=6", *STILL)
    started = train(f"start.from={source}", *other)
    assert started.code == 0, started.err
    assert "generator a2b: 7 of 9 tensors (" in started.err
    assert "not taken: layers." in started.err
    assert "(3x4x7x7 in the source, 1x4x7x7 here)" in started.err
    assert "discriminator b: 0 of 5 tensors; not taken: " in started.err
    networks = json.loads((tmp_path / "run" / "start.json").read_text())["sources"][0]["networks"]
    assert [network["taken"] for network in networks] == [7, 8, 0, 0]
    assert "generator a2b: 7 of 9 tensors" in (tmp_path / "run" / "model" / "README.md").read_text()
    train(*other, folder="scratch")
    started_with, taken, scratch = (newest(folder) for folder in (source, tmp_path / "run", tmp_path / "scratch"))
    changed = [name for name in taken if taken[name].shape != started_with[name].shape]
    assert {name.split(".")[1] for name in changed} == {"a2b", "b2a", "a", "b"}
    assert are_close(*({name: weights[name] for name in changed} for weights in (taken, scratch)))


@pytest.mark.parametrize(
    ("settings", "code", "expected"),
    [
        (["start.from={run}", "generator.width=6"], 2, "nothing of the source fits generator a2b: 0 of 9 tensors; not"),
        (
            ["start.from={run}/model", "start.discriminators=true"],
            2,
            "nothing of the source fits discriminator b: 0 of",
        ),
        (["start.from={run}@3"], 5, "run has no checkpoint of step 3; kept steps: 2, 4"),
        (["start.from={run}@best2"], 5, "has no checkpoint 'best2'"),
        (["start.from=nowhere"], 2, "there is no run, model or file "),
        (["start.from={run}/checkpoints"], 5, "holds no model"),
        (["start.from={run}/spec.toml"], 5, "spec.toml"),
        (["start.generators=false"], 2, 'does not say where the weights come from; for example from = "runs/x"'),
        (["start.from=x", "start.generators=false", "start.discriminators=false"], 2, "takes neither generators nor"),
        (["start.form=x"], 2, 'start.form: unknown key; did you mean "from"?'),
        (["start.from=3"], 2, 'start.from: should be an address such as "runs/x", or a table like'),
    ],
)
def test_a_start_that_is_impossible_is_refused_at_its_place_and_leaves_nothing(
    settings: list[str], code: int, expected: str, source: Path, train: Callable[..., Result], tmp_path: Path
) -> None:
    refused = train(*(text.format(run=source) if "{run}" in text else text for text in settings))
    assert refused.code == code, refused.err
    assert expected in refused.err
    assert "--set start." in refused.err
    assert not (tmp_path / "run").exists()


def test_an_average_that_the_source_lacks_is_refused(
    train: Callable[..., Result], tmp_path: Path, tiny_spec: Path
) -> None:
    train(*STILL, folder="plain")
    tiny_spec.write_text(tiny_spec.read_text() + '\n[start]\nfrom = "plain"\nweights = "ema"\n')
    refused = train()
    assert refused.code == 5
    line = len(tiny_spec.read_text().splitlines()) - 1
    assert f"spec.toml:{line}: start.from: " in refused.err
    assert 'has no moving average of its weights; set start.weights = "raw"' in refused.err


def test_a_run_resumes_bit_for_bit_without_its_source(
    source: Path, train: Callable[..., Result], tmp_path: Path
) -> None:
    copy = shutil.copytree(source, tmp_path / "copy")
    settings = (f"start.from={copy}", "schedule.name=constant", "train.ema=0.9")
    assert train(*settings, "train.steps=4", folder="straight").code == 0
    assert train(*settings, "train.steps=2").code == 0
    shutil.rmtree(copy)
    resumed = train(*settings, "train.steps=4")
    assert resumed.code == 0, resumed.err
    assert "starting from" not in resumed.err
    for file in ("model", "ema", "optimizer", "pool"):
        one, other = newest(tmp_path / "straight", file), newest(tmp_path / "run", file)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert card == (tmp_path / "straight" / "model" / "README.md").read_text()
    assert "- started from " in card
    other_start = train(f"start.from={source}@2", *settings[1:], "train.steps=5")
    assert other_start.code == 2, "a resumed run does not start again, so another source would change nothing"
    assert "start.from.a2b: was " in other_start.err


def test_check_says_what_would_be_taken(source: Path, train: Callable[..., Result], tmp_path: Path) -> None:
    checked = train(f"start.from={source}", command="check")
    assert checked.code == 0, checked.err
    assert "generator b2a: all 9 tensors" in checked.out
    assert not (tmp_path / "run").exists()
