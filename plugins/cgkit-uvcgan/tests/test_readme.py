"""The specs of README.md are valid, and say what the authors' settings are."""

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


def test_both_specs_are_valid_and_for_images_of_256_pixels(specs):
    assert set(specs) == {"uvcgan", "uvcganv2"}
    for spec in specs.values():
        assert spec.data.size == (256, 256)
        assert (spec.objective.cycle.forward, spec.objective.identity.a) == (5, 2.5)
        assert (spec.train.learning_rate, spec.train.betas, spec.train.batch) == (1e-4, (0.5, 0.99), 1)


def test_the_discriminator_remembers_features_of_the_trained_size(specs):
    assert list(specs["uvcganv2"].discriminator.a.options["size"]) == [256, 256]


def test_the_counts_are_those_of_the_networks(specs, plugins):
    import torch

    with torch.device("meta"):
        for name, shown in (("uvcgan", "31.36"), ("uvcganv2", "32.19")):
            network = build_generator(specs[name], plugins, "a2b")
            assert f"{sum(one.numel() for one in network.parameters()) / 1e6:.2f}" == shown
            assert f"| {shown} M |" in README


def test_every_option_is_listed_with_its_default(plugins):
    from cgkit.options import options_of

    for kind, name in (
        ("generators", "vit-unet"),
        ("discriminators", "batch-head-patch"),
        ("adversarial_losses", "penalised-least-squares"),
    ):
        for option in options_of(plugins.registries[kind][name]).values():
            assert f"`{option.name}`" in README
            assert option.meaning
