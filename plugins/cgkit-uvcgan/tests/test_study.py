"""The study of this package can be run."""

from __future__ import annotations

from pathlib import Path

from cgkit import load_plugins, load_spec
from cgkit.studies import read_study


def test_every_run_of_the_study_is_valid():
    plugins = load_plugins()
    study = read_study(Path(__file__).parents[1] / "examples" / "studies" / "uvcgan.toml")
    generators = {run.variant: load_spec(study.base, plugins, run.overrides).generator.a2b.name for run in study.runs()}
    assert generators == {"resnet": "resnet", "generator": "vit-unet", "uvcganv2": "vit-unet"}
