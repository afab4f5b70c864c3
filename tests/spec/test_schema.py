"""The JSON Schema accepts and refuses the same specs as the reader."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from pydantic import BaseModel

from cgkit.contracts import KINDS
from cgkit.plugins import Plugins, load_plugins
from cgkit.spec import Spec, load_spec
from cgkit.spec.schema import spec_schema

ROOT = Path(__file__).parents[2]
EXAMPLES = [
    file.relative_to(ROOT)
    for file in sorted((ROOT / "examples").glob("*.toml"))
    if "requires" not in tomllib.loads(file.read_text())  # those need their plugins
]


@pytest.fixture(scope="module")
def built_in() -> Plugins:
    return load_plugins(installed=False)


@pytest.fixture(scope="module")
def schema(built_in: Plugins) -> dict[str, Any]:
    return spec_schema(built_in)


def find_errors(schema: dict[str, Any], text: str) -> list[str]:
    validator = jsonschema.Draft7Validator(schema)
    return [error.message for error in validator.iter_errors(tomllib.loads(text))]


def test_the_schema_itself_is_valid(schema: dict[str, Any]) -> None:
    jsonschema.Draft7Validator.check_schema(schema)


@pytest.mark.parametrize("example", EXAMPLES, ids=str)
def test_every_example_is_valid(example: Path, schema: dict[str, Any]) -> None:
    assert find_errors(schema, (ROOT / example).read_text()) == []


GOOD = [
    "",
    "[data]\nsize = 64\nchannels = { a = 3, b = 1 }\n[objective]\nidentity = 0",
    "[data]\nsize = [64, 32]\nchannels = 1\nbackground = [0, 0, 0]",
    "[data]\nrange = [0, 4095]",
    '[data]\nrange = { b = [-1000.0, 3000] }\ndepth = { a = "uint8", b = "float32" }\nalpha = "carry"',
    '[data]\ndepth = "uint16"\npages = "bands"\narray = "image"',
    '[data]\nsource = "seasons"\ntrain = 12',
    '[data]\nsource = "cgkit/folder"\na = "one"\nb = "two"',
    "[generator]\nblocks = 6",
    '[generator]\nname = "unet"',
    '[generator]\nwidth = 32\n[generator.b2a]\nname = "unet"',
    "[objective]\ncycle = 5\nidentity = { a = 1.0, b = 0 }",
    '[adversarial_loss]\nname = "wasserstein"\ngradient_penalty = 1.0',
    "augmentation = []",
    '[[augmentation]]\nname = "blur"\np = 0.5',
    '[[tracker]]\nname = "tensorboard"',
    '[start]\nfrom = "runs/other@12000"\nweights = "raw"',
    '[start]\nfrom = { a2b = "latest_net_G_A.pth" }\ndiscriminators = false',
    "[train]\nepochs = 3\n[optimizer]\nbetas = [0.5, 0.9]",
]

BAD = [
    "stepz = 3",
    "[train]\nstepz = 3",
    "[train]\nsteps = 0",
    '[train]\nprecision = "fp8"',
    "[data]\nsize = 0",
    "[data]\nchannels = { a = 3 }",
    "[data]\nrange = 255",
    "[data]\nrange = [0, 1, 2]",
    "[data]\nrange = { c = [0, 1] }",
    '[data]\ndepth = "float64"',
    '[data]\nsource = "folder"',
    '[generator]\nname = "transformer"',
    "[generator]\nblocks = 999",
    "[generator]\nblokcs = 9",
    '[generator]\nname = "unet"\nblocks = 9',
    '[generator.a2b]\nname = "unet"\nblocks = 9',
    '[cycle_loss]\nname = "l1"\nwindow = 3',
    "[objective]\ncycle = -1",
    '[[augmentation]]\nname = "blur"\np = 2.0',
    '[[augmentation]]\nname = "flipp"',
    "[start]\nswap = true",
    '[start]\nfrom = { ab = "runs/other" }',
    '[start]\nfrom = "runs/other"\ndiscriminators = "yes"',
]


@pytest.mark.parametrize("text", GOOD)
def test_specs_that_the_reader_accepts_are_valid(
    text: str, schema: dict[str, Any], tmp_path: Path, built_in: Plugins
) -> None:
    assert find_errors(schema, text) == []
    file = tmp_path / "spec.toml"
    file.write_text(text)
    load_spec(file, built_in)


@pytest.mark.parametrize("text", BAD)
def test_specs_that_the_reader_refuses_are_invalid(
    text: str, schema: dict[str, Any], tmp_path: Path, built_in: Plugins
) -> None:
    assert find_errors(schema, text)
    file = tmp_path / "spec.toml"
    file.write_text(text)
    with pytest.raises(Exception, match=r"spec\.toml"):
        load_spec(file, built_in)


def test_options_have_descriptions_and_bounds(schema: dict[str, Any]) -> None:
    cases = schema["properties"]["generator"]["allOf"]
    (resnet,) = [case["then"]["properties"] for case in cases if "resnet" in str(case["if"])]
    assert resnet["width"]["minimum"] == 1
    assert resnet["width"]["maximum"] == 512
    assert "channels after the first layer" in resnet["width"]["description"]


def test_a_plugins_components_are_included_and_a_broken_one_has_no_options() -> None:
    plugins = load_plugins(installed=False)

    class Own:
        """A generator.

        Args:
            heads: number of heads.
        """

        def __init__(self, in_channels: int, out_channels: int, *, heads: int = 2) -> None: ...

    plugins.registries.generators.add("own", Own)
    plugins.registries.generators.add("broken", "a_module_that_is_not_there:Broken")
    schema = spec_schema(plugins)
    assert find_errors(schema, '[generator]\nname = "own"\nheads = 3') == []
    assert find_errors(schema, '[generator]\nname = "own"\nheads = "three"')
    assert find_errors(schema, '[generator]\nname = "broken"') == []


def test_the_keys_that_options_cannot_have_are_those_of_the_tables() -> None:
    for kind in (kind for kind in KINDS if kind.in_spec):
        table = {"sources": "data", "reconstruction_losses": "cycle_loss"}.get(kind.name, kind.table)
        annotation = Spec.model_fields[table].annotation
        models = [part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel)]
        assert set(kind.keys) == set(models[0].model_fields), kind.name


def _parts(annotation: Any) -> list[Any]:
    return [annotation, *(part for argument in get_args(annotation) for part in _parts(argument))]
