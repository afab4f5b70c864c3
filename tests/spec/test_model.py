"""The keys of a spec, their types, bounds and short forms."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel, ValidationError

from cgkit.contracts import KINDS
from cgkit.spec.model import COMPONENT_TABLES, SIDES, Spec


def spec(values: dict) -> Spec:
    return Spec.model_validate_json(json.dumps(values))


@pytest.mark.parametrize(
    ("data", "size", "channels"),
    [
        ({}, (256, 256), (3, 3)),
        ({"size": 64}, (64, 64), (3, 3)),
        ({"size": [32, 64]}, (32, 64), (3, 3)),
        ({"channels": 1}, (256, 256), (1, 1)),
        ({"channels": [1, 3]}, (256, 256), (1, 3)),
        ({"channels": {"b": 3, "a": 1}}, (256, 256), (1, 3)),
    ],
)
def test_one_number_sets_both_sizes_or_channels(data, size, channels):
    assert (spec({"data": data}).data.size, spec({"data": data}).data.channels) == (size, channels)


def test_one_range_or_depth_applies_to_both_domains():
    both = spec({"data": {"range": [0, 4095], "depth": "uint16"}}).data
    assert (both.range.a, both.range.b, both.depth.a, both.depth.b) == ((0, 4095), (0, 4095), "uint16", "uint16")
    one = spec({"data": {"range": {"b": [-1000.0, 3000]}, "depth": {"a": "uint8"}}}).data
    assert (one.range.a, one.range.b, one.depth.a, one.depth.b) == (None, (-1000, 3000), "uint8", None)


def test_one_weight_applies_to_both_directions():
    objective = spec({"objective": {"cycle": 3, "identity": {"a": 0.0}, "adversarial": 0.5}}).objective
    assert objective.cycle.model_dump() == {"forward": 3.0, "backward": 3.0}
    assert objective.identity.model_dump() == {"a": 0.0, "b": 5.0}
    assert objective.adversarial.model_dump() == {"a2b": 0.5, "b2a": 0.5}


@pytest.mark.parametrize(
    "values",
    [
        {"seed": -1},
        {"seed": 2**53 + 1},
        {"name": ""},
        {"name": "a/b"},
        {"name": ".."},
        {"name": "x\n"},
        {"name": "x" * 101},
        {"data": {"size": 0}},
        {"data": {"size": [64, 16_385]}},
        {"data": {"size": False}},
        {"data": {"channels": {"a": 1}}},
        {"data": {"channels": 0}},
        {"data": {"background": [0, 0, 256]}},
        {"data": {"range": [5, 5]}},
        {"data": {"range": [0, 1, 2]}},
        {"data": {"range": 255}},
        {"data": {"range": {"a": [3, 1]}}},
        {"data": {"range": {"c": [0, 1]}}},
        {"data": {"depth": "uint12"}},
        {"data": {"depth": {"b": "float64"}}},
        {"data": {"alpha": "keep"}},
        {"data": {"pages": "frames"}},
        {"data": {"array": ""}},
        {"data": {"workers": -1}},
        {"data": {"workers": True}},
        {"data": {"source": ""}},
        {"generator": {"name": ""}},
        {"generator": {"name": "x" * 201}},
        {"objective": {"cycle": 1e7}},
        {"objective": {"cycle": True}},
        {"train": {"betas": [0.5, 1]}},
        {"train": {"ema": 1}},
        {"train": {"learning_rate": 0}},
        {"train": {"precision": "fp16"}},
        {"train": {"steps": 1, "epochs": 1}},
        {"checkpoint": {"keep": 0}},
        {"samples": {"count": 65}},
        {"augmentation": [{"name": "flip"}] * 101},
    ],
)
def test_values_out_of_bounds_are_refused(values):
    with pytest.raises(ValidationError):
        spec(values)


def test_every_number_has_bounds():
    unbounded = [
        f"{table.__name__}.{name}"
        for table in _find_tables(Spec)
        for name, field in table.model_json_schema()["properties"].items()
        for kind in _find_numbers(field)
        if not {"minimum", "exclusiveMinimum"} & kind.keys() or not {"maximum", "exclusiveMaximum"} & kind.keys()
    ]
    # These have validators of their own.
    assert unbounded == ["Data.background", "Data.background", "Data.background", "Data.workers"]


def test_component_options_may_have_any_name():
    names = ["schema", "copy", "json", "dict", "model_config", "model_fields", "options", "self", "cls", "__class__"]
    use = spec({"generator": {"name": "x", **dict.fromkeys(names, 1)}}).generator
    assert use.options == dict.fromkeys(names, 1)


def test_a_spec_is_written_with_the_structure_of_a_spec_file():
    written = spec({"data": {"size": 64, "a": "x"}, "generator": {"name": "unet", "b2a": {"depth": 3}}}).to_json()
    assert json.loads(json.dumps(written)) == written
    assert spec(written).to_json() == written
    assert written["data"]["a"] == "x"
    assert written["generator"] == {"name": "unet", "b2a": {"depth": 3}}


def test_a_spec_is_immutable():
    with pytest.raises(ValidationError):
        Spec().seed = 5


def test_every_component_table_is_a_field_and_has_a_kind():
    assert set(COMPONENT_TABLES.values()) <= {kind.name for kind in KINDS}
    assert set(COMPONENT_TABLES) <= Spec.model_fields.keys()
    for table, sides in SIDES.items():
        assert set(sides) < Spec.model_fields[table].annotation.model_fields.keys()


def _find_tables(table: type[BaseModel]) -> list[type[BaseModel]]:
    inside = [field.annotation for field in table.model_fields.values()]
    models = [model for model in inside if isinstance(model, type) and issubclass(model, BaseModel)]
    return list(dict.fromkeys([table, *(inner for model in models for inner in _find_tables(model))]))


def _find_numbers(schema: dict) -> list[dict]:
    if schema.get("type") in ("integer", "number"):
        return [schema]
    inside = [*schema.get("anyOf", []), *schema.get("prefixItems", [])]
    return [number for part in inside for number in _find_numbers(part)]
