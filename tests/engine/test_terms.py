"""Terms that a spec adds to the objective: what they are given, how they are trained, and that runs resume."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cgkit.checkpoints import list_checkpoints
from cgkit.contracts import Given, Need
from cgkit.engine.assembly import assemble
from cgkit.engine.precision import Precision
from cgkit.engine.trainer import Trainer
from cgkit.errors import CgkitError, CgkitWarning, SpecError
from cgkit.plugins import Plugins, load_plugins
from cgkit.runs.preparation import prepare
from cgkit.runs.start import run
from cgkit.spec import resolve_spec
from cgkit.spec.loading import read_layers
from tests.conftest import Result
from tests.engine.test_trainer import batch, halves

PLUGIN = '''
import cgkit
import torch
from torch import nn


class Contrast(nn.Module):
    """Compares random features of a translation and of its source, through a trained projection.

    Args:
        width: the number of features.
    """

    needs = ("translation", "identity")
    trained = True

    def __init__(self, *, width: int = 4) -> None:
        super().__init__()
        self.width = width

    def prepare(self, generator, example):
        self.head = nn.Conv2d(generator.features(example)[1].shape[1], self.width, 1)

    def forward(self, given):
        place = torch.randint(4, ())
        pairs = ((given.source, given.translation), (given.target, given.identity))
        features = [[self.head(given.generator.features(image)[1])[..., place] for image in pair] for pair in pairs]
        return sum((first.detach() - second).abs().mean() for first, second in features)


@cgkit.hookimpl
def cgkit_register(registries):
    registries.terms.add("contrast", Contrast)
'''


class Change(nn.Module):
    """Mean absolute change."""

    needs: tuple[Need, ...] = ("translation",)

    def forward(self, given: Given) -> Tensor:
        assert given.translation is not None
        assert given.reconstruction is given.identity is None
        return (given.translation - given.source).abs().mean()


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("plugin") / "contrast.py"
    file.write_text(PLUGIN)
    return file


@pytest.fixture(scope="module")
def plugins_with_terms(plugin: Path) -> Plugins:
    plugins = load_plugins(installed=False, files=[plugin])
    plugins.registries.terms.add("change", Change)
    return plugins


TINY = {
    "data": {"source": "seasons", "size": 16, "train": 4, "test": 2},
    "generator": {"name": "resnet", "width": 4, "blocks": 1},
    "discriminator": {"name": "patch", "width": 4, "layers": 1},
    "schedule": {"name": "constant"},
}


def trainer(plugins: Plugins, terms: list[dict[str, Any]], **tables: Any) -> Trainer:
    tables["train"] = {"image_pool": 0, **tables.get("train", {})}
    spec = resolve_spec({**TINY, "term": terms, **tables}, plugins)
    assembly = assemble(spec, plugins)
    return Trainer(assembly, spec, steps=100, epoch_steps=10, precision=Precision("fp64", torch.device("cpu")))


def test_each_direction_has_its_own_weight_and_is_logged_by_name(plugins_with_terms: Plugins) -> None:
    terms = [{"name": "change", "weight": 2}, {"name": "change", "weight": {"a2b": 4, "b2a": 0}}]
    training = trainer(plugins_with_terms, terms)
    losses = training.step([batch(1)])
    assert {"change_a2b", "change_b2a", "change-2_a2b"} <= losses.keys()
    assert "change-2_b2a" not in losses
    assert float(losses["change-2_a2b"]) == pytest.approx(2 * float(losses["change_a2b"]))


def test_a_term_changes_what_the_generator_learns(plugins_with_terms: Plugins) -> None:
    without, with_term = (
        trainer(plugins_with_terms, terms) for terms in ([], [{"name": "change", "weight": {"a2b": 9, "b2a": 0}}])
    )
    for training in (without, with_term):
        training.step([batch(1)])
        training.settle()
    for direction, same in (("a2b", False), ("b2a", True)):
        pair = [list(training.model.generators[direction].parameters()) for training in (without, with_term)]
        assert all(torch.equal(*weights) for weights in zip(*pair, strict=True)) is same


@pytest.mark.parametrize("train", [{"memory": "balanced"}, {"memory": "low"}, {"memory": "low", "batch": 2}])
def test_saving_memory_changes_no_number_even_if_terms_draw_at_random(
    plugins_with_terms: Plugins, train: dict[str, Any]
) -> None:
    terms = [{"name": "contrast"}, {"name": "change"}]
    fast, sparing = trainer(plugins_with_terms, terms), trainer(plugins_with_terms, terms, train=train)
    for number in range(2):
        expected, found = fast.step(halves(batch(number))), sparing.step(halves(batch(number)))
        assert {name: float(loss) for name, loss in found.items()} == pytest.approx(
            {name: float(loss) for name, loss in expected.items()}, rel=1e-9
        )


def test_what_a_term_needs_together_is_computed_together(plugins_with_terms: Plugins) -> None:
    training = trainer(plugins_with_terms, [{"name": "contrast", "weight": {"a2b": 1, "b2a": 0}}])
    together, *others = training.objective.parts_of_passes
    assert together.fake_b and together.cycled_a and together.identity_b  # noqa: PT018
    assert not any(part.identity_b or part.fake_b for part in others)
    assert sum(part.identity_a for part in others) == 1


def test_a_trained_term_joins_the_optimiser_of_the_generators(plugins_with_terms: Plugins) -> None:
    training = trainer(plugins_with_terms, [{"name": "contrast"}])
    head = training.objective.heads["contrast_a2b"]
    before = [parameter.detach().clone() for parameter in head.parameters()]
    training.step([batch(1)])
    training.settle()
    assert not any(torch.equal(*pair) for pair in zip(before, head.parameters(), strict=True))
    assert training.objective.heads["contrast_b2a"].head.weight is not head.head.weight


def final(folder: Path) -> dict[str, Tensor]:
    newest = list_checkpoints(folder / "checkpoints")[-1]
    return {
        f"{file.stem}/{name}": tensor
        for file in sorted(newest.glob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }


TERMS = 'term=[{name = "contrast", weight = {a2b = 1.0, b2a = 0.5}}]'


@pytest.mark.parametrize(
    "settings", [[], ["train.memory=low", "train.accumulate=2"], ["train.precision=bf16", "optimizer.name=adamw"]]
)
def test_a_run_with_a_trained_term_resumes_bit_for_bit(
    settings: list[str], tiny_spec: Path, plugin: Path, tmp_path: Path, cgkit: Callable[..., Result]
) -> None:
    def train(folder: str, steps: int) -> dict[str, Tensor]:
        texts = [TERMS, f"train.steps={steps}", "schedule.name=constant", *settings]
        overrides = [part for text in texts for part in ("--set", text)]
        assert cgkit("run", tiny_spec, "--plugin", plugin, "--output", tmp_path / folder, *overrides).code == 0
        return final(tmp_path / folder)

    straight = train("straight", 4)
    train("halted", 2)
    resumed = train("halted", 4)
    assert "components/contrast_a2b.head.weight" in straight
    assert [name for name in straight if not torch.equal(straight[name], resumed[name])] == []


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch is built without distributed")
def test_two_processes_train_a_term_like_one(tiny_spec: Path, plugin: Path, tmp_path: Path) -> None:
    settings = [TERMS, "train.precision=fp64", "train.image_pool=0"]
    overrides = [part for text in settings for part in ("--set", text)]
    for count in (1, 2):
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={count}"]
        training = [
            "-m",
            "cgkit",
            "run",
            str(tiny_spec),
            "--plugin",
            str(plugin),
            "--output",
            str(tmp_path / str(count)),
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        command = [sys.executable, *launcher, *training, *overrides]
        done = subprocess.run(command, env=environment, text=True, capture_output=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
    one, two = ({k: v for k, v in final(tmp_path / c).items() if k.startswith("components/")} for c in ("1", "2"))
    assert one.keys() == two.keys()
    assert one
    # The processes draw other places, so the heads differ a little, but not by more than the steps are long.
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 4 * 2e-4 * 2


def test_terms_are_part_of_check_describe_schema_and_the_spec(
    tiny_spec: Path, plugin: Path, tmp_path: Path, cgkit: Callable[..., Result]
) -> None:
    checked = cgkit("check", tiny_spec, "--plugin", plugin, "--set", TERMS, "--json")
    assert {"contrast_a2b", "contrast_b2a"} <= checked.json["losses"].keys()
    assert "[[term]]" in cgkit("describe", "term", "contrast", "--plugin", plugin).out
    schema = cgkit("schema", "--plugin", plugin).json
    assert schema["properties"]["term"]["items"]["properties"]["name"]["enum"] == ["contrast", "contrast.py/contrast"]
    cgkit("run", tiny_spec, "--plugin", plugin, "--output", tmp_path / "run", "--set", TERMS, "--set", "train.steps=1")
    changed = cgkit("run", tiny_spec, "--plugin", plugin, "--output", tmp_path / "run", "--set", "train.steps=2")
    assert changed.code == 2
    assert "--change term.0" in changed.err
    assert "contrast_a2b" in json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])


class Masked(Change):
    """Mean absolute change outside a mask."""

    needs = ("translation", "mask")


class Ungenerated(nn.Module):
    """Needs no generated image."""

    needs: tuple[Need, ...] = ("source",)


class Paired(Change):
    """Needs an image of the other domain with equal channels."""

    needs = ("translation", "identity")


class Unprepared(Change):
    """Fails to look at the generator."""

    def prepare(self, generator: nn.Module, example: Tensor) -> None:
        raise AttributeError("no features")


class Late(Change):
    """Creates a layer when it is called."""

    trained = True

    def forward(self, given: Given) -> Tensor:
        if not hasattr(self, "head"):
            self.head = nn.Conv2d(3, 1, 1)
        assert given.translation is not None
        return self.head(given.translation).square().mean()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        (Unprepared, 'term "own" of .* cannot be prepared: AttributeError: no features'),
        (Late, r"the term own_a2b creates head\.\w+ when it is called, .*; create its layers in `prepare"),
    ],
)
def test_a_faulty_term_is_an_error_of_its_plugin(term: Any, expected: str, tiny_spec: Path) -> None:
    plugins = load_plugins(installed=False)
    plugins.registries.terms.add("own", term)
    with pytest.raises(CgkitError, match=expected) as caught:
        run(tiny_spec, overrides=["term=[{name='own'}]"], output=tiny_spec.parent / "run", plugins=plugins)
    assert caught.value.exit_code == 4
    assert not (tiny_spec.parent / "run").exists()


def test_a_direction_that_only_terms_train_is_reported(plugins_with_terms: Plugins, tiny_spec: Path) -> None:
    one_sided = ["objective.adversarial={a2b=1, b2a=0}", "objective.cycle=0", "objective.identity=0", "train.steps=1"]
    with pytest.warns(
        CgkitWarning, match=r"b2a has no adversarial loss, so only change_b2a would train it; set weight"
    ):
        prepare(read_layers(tiny_spec, [*one_sided, "term=[{name='change'}]"]), plugins_with_terms)


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        ("{ a2b = 1.0, b2 = 0 }", 'term.0.weight.b2: unknown key; did you mean "b2a"?'),
        ("'big'", "term.0.weight: should be a number, or a table like { a2b = 1.0, b2a = 0.0 }"),
        ("-1.0", "term.0.weight: should be greater than or equal to 0"),
    ],
)
def test_a_wrong_weight_is_located(weight: str, expected: str, tiny_spec: Path, cgkit: Callable[..., Result]) -> None:
    tiny_spec.write_text(tiny_spec.read_text() + f'[[term]]\nname = "contrast"\nweight = {weight}\n')
    refused = cgkit("check", tiny_spec)
    assert refused.code == 2
    assert expected in refused.err


@pytest.mark.parametrize(
    ("term", "channels", "expected"),
    [
        (Ungenerated, 3, r"needs \('source',\); one must be translation, reconstruction, identity"),
        (Paired, {"a": 3, "b": 1}, r'term.0: "own" needs equal channels in both domains'),
        (lambda: None, 3, "is a NoneType, not an nn.Module"),
    ],
)
def test_a_term_that_cannot_be_used_is_refused_with_a_sentence(term: Any, channels: Any, expected: str) -> None:
    plugins = load_plugins(installed=False)
    plugins.registries.terms.add("own", term)
    tables = {**TINY, "data": {**TINY["data"], "channels": channels}, "objective": {"identity": 0}}
    spec = resolve_spec({**tables, "term": [{"name": "own"}]}, plugins)
    with pytest.raises(Exception, match=expected):
        assemble(spec, plugins)


def test_a_spec_with_terms_alone_has_something_to_learn(plugins_with_terms: Plugins) -> None:
    nothing = {"adversarial": 0, "cycle": 0, "identity": 0}
    resolve_spec({**TINY, "objective": nothing, "term": [{"name": "change"}]}, plugins_with_terms)
    with pytest.raises(SpecError, match="all weights are zero"):
        resolve_spec({**TINY, "objective": nothing, "term": [{"name": "change", "weight": 0}]}, plugins_with_terms)
