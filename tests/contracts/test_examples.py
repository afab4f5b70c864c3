"""Every example is a valid spec, and those that need no data train."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from cgkit.plugins import Plugins
from cgkit.runs.start import run
from cgkit.spec import load_spec
from cgkit.studies import read_study
from tests.conftest import Result

EXAMPLES = Path(__file__).parents[2] / "examples"
ALL = [
    file
    for file in sorted(EXAMPLES.rglob("*.toml"))
    if "requires" not in tomllib.loads(file.read_text())  # test_plugin_packages.py tests the others
    and file.parent.name != "studies"
]
STUDIES = sorted((EXAMPLES / "studies").glob("*.toml"))


@pytest.mark.parametrize("file", ALL, ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_every_example_is_valid(file: Path, plugins: Plugins) -> None:
    load_spec(file, plugins)


SMALLER = ["train.steps=1", "data.train=4", "data.test=2", "generator.width=2", "discriminator.width=2"]


@pytest.mark.parametrize("name", ["seasons", "hallucination"])
def test_an_example_that_needs_no_data_trains(name: str, plugins: Plugins, tmp_path: Path) -> None:
    assert run(EXAMPLES / f"{name}.toml", overrides=SMALLER, output=tmp_path / "run", plugins=plugins).step == 1


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_every_run_of_every_study_is_valid(file: Path, plugins: Plugins) -> None:
    study = read_study(file)
    for planned in study.runs():
        spec = load_spec(study.base, plugins, planned.overrides)
        assert spec.seed == planned.seed


def test_the_papers_ablation_has_exactly_the_terms_of_its_tables(plugins: Plugins) -> None:
    study = read_study(EXAMPLES / "studies" / "paper-ablation.toml")
    found = {}
    for planned in study.runs():
        weights = load_spec(study.base, plugins, planned.overrides).to_json()["objective"]
        found[planned.variant] = {name: tuple(weights[name].values()) for name in ("adversarial", "cycle", "identity")}
    none, one, ten = (0, 0), (1, 1), (10, 10)
    assert found == {
        "full": {"adversarial": one, "cycle": ten, "identity": none},
        "gan-forward-cycle": {"adversarial": one, "cycle": (10, 0), "identity": none},
        "gan-backward-cycle": {"adversarial": one, "cycle": (0, 10), "identity": none},
        "gan-alone": {"adversarial": one, "cycle": none, "identity": none},
        "cycle-alone": {"adversarial": none, "cycle": ten, "identity": none},
    }


def test_the_papers_settings_are_the_published_ones(plugins: Plugins) -> None:
    spec = load_spec(EXAMPLES / "horse2zebra.toml", plugins)
    defaults = load_spec(EXAMPLES / "horse2zebra.toml", plugins, ["train.precision=auto", "schedule.by=step"])
    assert spec.generator.a2b is not None
    assert spec.generator.a2b.options["blocks"] == 9
    assert spec.objective == defaults.objective
    assert (spec.train.learning_rate, spec.train.image_pool) == (2e-4, 50)
    assert spec.optimizer.discriminators.options["betas"] == [0.5, 0.999]


def test_the_plugin_in_one_file_trains_and_keeps_its_contract(
    cgkit: Callable[..., Result], tiny_spec: Path, tmp_path: Path
) -> None:
    plugin = EXAMPLES / "one_file_plugin.py"
    networks = tiny_spec.read_text().replace(
        'name = "resnet"\nwidth = 4\nblocks = 1\n', 'name = "one-layer"\nkernel = 5\n'
    )
    tiny_spec.write_text(networks)
    assert cgkit("run", tiny_spec, "--output", tmp_path / "run", "--plugin", plugin).code == 0
    even = cgkit("run", tiny_spec, "--output", tmp_path / "other", "--plugin", plugin, "--set", "generator.kernel=4")
    assert even.code == 2
    assert "a kernel of 4 pixels has no centre" in even.err
    assert cgkit("plugins", "check", plugin.name, "--plugin", plugin).code == 0
