"""Every example is a valid spec, and those that need no data train."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from cgkit.plugins import Plugins
from cgkit.runs.start import run
from cgkit.spec import load_spec
from tests.conftest import Result

EXAMPLES = Path(__file__).parents[2] / "examples"
ALL = [
    file
    for file in sorted(EXAMPLES.rglob("*.toml"))
    if "requires" not in tomllib.loads(file.read_text())  # test_plugin_packages.py tests the others
    and file.parent.name != "studies"
]
SELF_CONTAINED = [file for file in ALL if file.parent.name == "ablation" or file.stem in ("seasons", "hallucination")]


@pytest.mark.parametrize("file", ALL, ids=lambda file: str(file.relative_to(EXAMPLES)))
def test_every_example_is_valid(file: Path, plugins: Plugins) -> None:
    load_spec(file, plugins)


@pytest.mark.parametrize("file", SELF_CONTAINED, ids=lambda file: file.stem)
def test_every_example_that_needs_no_data_trains(file: Path, plugins: Plugins, tmp_path: Path) -> None:
    smaller = ["train.steps=1", "data.train=4", "data.test=2", "generator.width=2", "discriminator.width=2"]
    assert run(file, overrides=smaller, output=tmp_path / "run", plugins=plugins).step == 1


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
