"""Every default that can change a result, and every value of a preset, has a source."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cgkit.plugins import Plugins
from cgkit.scaffolding.presets import PRESETS
from cgkit.spec.loading import resolve_spec

PAGE = Path(__file__).parents[2] / "docs" / "guide" / "provenance.md"
ROW = re.compile(r"^\| `([\w.-]+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
SOURCE = re.compile(r"(paper|code|ours)\b.*\S")

TABLES = (
    *("generator", "discriminator", "adversarial_loss", "cycle_loss", "identity_loss", "objective"),
    *("augmentation", "train", "optimizer", "schedule"),
)
"""The tables that can change what is learned."""
ONLY_TIME = ("train.deterministic", "train.memory", "train.cuda_graph", "train.compile", "train.epochs")
"""Keys that change no result, and the length of the training, which has no default."""
OTHERS = ("seed", "data.size", "data.held_out", "evaluation.count")


def flatten(values: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of a table by their keys; both directions and domains have the same."""
    if not isinstance(values, Mapping):
        yield place, values
        return
    for key, value in values.items():
        yield from flatten(value, place if key in SIDES else f"{place}.{key}")


SIDES = ("a", "b", "a2b", "b2a", "forward", "backward", "generators", "discriminators")


def defaults(plugins: Plugins) -> dict[str, Any]:
    data = {"source": "folder", "a": "a", "b": "b"}
    spec = resolve_spec({"data": data, "train": {"epochs": 200}}, plugins).to_json()
    spec["augmentation"] = {
        use["name"]: {key: value for key, value in use.items() if key != "name"} for use in spec["augmentation"]
    }
    found = {place: value for table in TABLES for place, value in flatten(spec[table], table)}
    for place in OTHERS:
        value: Any = spec
        for key in place.split("."):
            value = value[key]
        found[place] = value
    return {place: value for place, value in found.items() if place not in ONLY_TIME}


def test_every_default_has_a_source_and_the_documented_value(plugins: Plugins) -> None:
    documented = {place: value for place, value, _ in ROW.findall(PAGE.read_text())}
    expected = {
        place: value if isinstance(value, str) else json.dumps(value) for place, value in defaults(plugins).items()
    }
    assert documented == expected


def test_every_row_names_the_paper_the_code_or_a_reason() -> None:
    rows = ROW.findall(PAGE.read_text())
    assert len(rows) > 40
    assert [place for place, _, source in rows if not SOURCE.match(source)] == []


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_of_a_preset_has_a_source(name: str) -> None:
    preset = PRESETS[name]
    sources = [source for _, source in preset.values.values()]
    sources += [source for _, _, source in preset.augmentations]
    assert all(len(source) > 10 for source in sources)
