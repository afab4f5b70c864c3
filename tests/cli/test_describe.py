from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from cgkit.plugins import load_plugins
from cgkit.spec import load_spec
from tests.conftest import Result

Cli = Callable[..., Result]

REGISTRIES = load_plugins(installed=False).registries
BUILT_IN = [(component.kind, component.name) for registry in REGISTRIES for component in registry]


def test_options_are_printed_with_type_bounds_default_and_meaning(cgkit: Cli) -> None:
    result = cgkit("describe", "generator", "resnet")
    assert result.code == 0
    assert "  width: int, >= 1, <= 512, default 64\n      number of channels after the first layer;" in result.out
    assert "resnet (generators, cgkit 0.1.0)" in result.out
    assert "cgkit.components.generators.resnet:ResnetGenerator in " in result.out


def test_networks_are_measured(cgkit: Cli) -> None:
    generator = cgkit("describe", "generator", "resnet", "--json").json["network"]
    # The published count, minus the biases that the following norm cancels.
    assert generator["parameters"] == 11_378_179 - (64 + 128 + 256 + 18 * 256 + 128 + 64)
    assert generator["stride"] == 4
    discriminator = cgkit("describe", "discriminator", "patch", "--json").json["network"]
    assert (discriminator["receptive_field"], discriminator["stride"]) == (70, 8)
    assert "receptive field: 70 pixels" in cgkit("describe", "discriminator", "patch").out


IN_A_SPEC = [(kind, name) for kind, name in BUILT_IN if kind.in_spec]


@pytest.mark.parametrize(("kind", "name"), IN_A_SPEC, ids=lambda part: str(getattr(part, "table", part)))
def test_the_snippet_of_every_component_is_a_valid_spec(cgkit: Cli, tmp_path: Path, kind: object, name: str) -> None:
    description = cgkit("describe", kind.table, name, "--json").json  # type: ignore[attr-defined]
    assert all(option["meaning"] for option in description["options"])
    snippet = description["snippet"]
    if any(option["required"] for option in description["options"]):
        assert "# required" in snippet
        assert tomllib.loads(snippet)
        return
    spec = tmp_path / "spec.toml"
    spec.write_text(snippet)
    load_spec(spec, load_plugins(installed=False))


@pytest.mark.parametrize("kind", ["adversarial_loss", "adversarial_losses", "adversarial-loss", "adversarial-losses"])
def test_a_kind_can_be_written_as_its_table_or_its_registry(cgkit: Cli, kind: str) -> None:
    assert cgkit("describe", kind, "bce", "--json").json["kind"] == "adversarial_losses"


def test_an_unknown_name_or_kind_is_a_usage_error(cgkit: Cli) -> None:
    unknown = cgkit("describe", "generator", "resnett")
    assert (unknown.code, unknown.out) == (2, "")
    assert 'did you mean "resnet"?' in unknown.err
    assert cgkit("describe", "optimiser", "adam").code == 2
