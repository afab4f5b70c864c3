"""The studies of this package can be run."""

from __future__ import annotations

from pathlib import Path

from cgkit import load_plugins, load_spec
from cgkit.studies import read_study

STUDIES = Path(__file__).parents[1] / "examples" / "studies"
SOURCES = {"seasons", "earth", "calligraphy", "brain"}


def test_every_run_of_the_ablation_is_valid() -> None:
    study = read_study(STUDIES / "four-sources.toml")
    plugins = load_plugins()
    specs = [load_spec(study.base, plugins, planned.overrides) for planned in study.runs()]
    assert len(specs) == 100
    assert {spec.data.source for spec in specs} == SOURCES


def test_it_has_the_variants_of_the_ablation_that_needs_no_package() -> None:
    study = read_study(STUDIES / "four-sources.toml")
    other = Path(__file__).parents[3] / "examples" / "studies" / "paper-ablation.toml"
    assert study.variants == read_study(other).variants
