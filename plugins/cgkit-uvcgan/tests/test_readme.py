"""The specs in README.md are valid and have the authors' settings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cgkit import load_plugins, load_spec
from cgkit.engine.assembly import build_generator

README = (Path(__file__).parents[1] / "README.md").read_text()
SPECS = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def plugins():
    return load_plugins()


@pytest.fixture
def specs(tmp_path, plugins):
    loaded = {}
    for text in SPECS:
        (tmp_path / "spec.toml").write_text(text)
        spec = load_spec(tmp_path / "spec.toml", plugins)
        loaded[spec.name] = spec
    return loaded


def test_both_specs_are_valid_and_have_the_published_settings(specs):
    assert set(specs) == {"uvcgan", "uvcganv2"}
    for spec in specs.values():
        assert spec.data.size == (256, 256)
        assert (spec.objective.cycle.forward, spec.objective.identity.a) == (5, 2.5)
        assert (spec.train.learning_rate, spec.train.batch) == (1e-4, 1)
        assert spec.optimizer.generators.options["betas"] == [0.5, 0.99]


def test_the_size_of_the_discriminator_is_the_training_size(specs):
    assert list(specs["uvcganv2"].discriminator.a.options["size"]) == [256, 256]


def test_the_parameter_counts_are_correct(specs, plugins):
    import torch

    with torch.device("meta"):
        for name, millions in (("uvcgan", "31.36"), ("uvcganv2", "32.19")):
            network = build_generator(specs[name], plugins, "a2b")
            count = sum(parameter.numel() for parameter in network.parameters())
            assert f"{count / 1e6:.2f}" == millions
            assert f"| {millions} M |" in README


def test_every_option_is_listed_and_documented(plugins):
    from cgkit.options import options_of

    for kind, name in (
        ("generators", "vit-unet"),
        ("discriminators", "batch-head-patch"),
        ("adversarial_losses", "penalised-least-squares"),
    ):
        for option in options_of(plugins.registries[kind][name]).values():
            assert f"`{option.name}`" in README
            assert option.meaning
