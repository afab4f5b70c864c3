"""Every benchmark runs as a command and writes what it found, each figure with the one that it is compared with."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Benchmark = Callable[..., dict[str, Any]]
FOLDER = Path(__file__).parents[2] / "benchmarks"
TINY = ("--width", 4, "--blocks", 1)


def test_training_step(benchmark: Benchmark) -> None:
    found = benchmark(
        "training_step", "--sizes", 32, *TINY, "--seconds", 0, "--precisions", "fp32", "--kinds", "fast", "low"
    )
    plain, fast, low = found["rows"]
    assert [row["step"] for row in found["rows"]] == ["plain, fp32", "fast, fp32", "low, fp32"]
    assert plain["faster"] == 1
    for row in (fast, low):
        assert row["faster"] == pytest.approx(plain["time"]["median"] / row["time"]["median"])
        assert 0 < row["share of peak"] < 1


def test_translation(benchmark: Benchmark) -> None:
    found = benchmark(
        "translation", "--size", 16, "--images", 3, *TINY, "--repetitions", 1, "--batches", 2, "--precisions", "fp32"
    )
    plain, command = found["rows"]
    assert plain["faster"] == 1
    assert command["faster"] == pytest.approx(command["images a second"] / plain["images a second"])
    assert command["peak memory, GB"] > 0.1


def test_data(benchmark: Benchmark) -> None:
    found = benchmark("data", "--size", 32, "--pairs", 4, "--workers", 0, 1, *TINY)
    assert [(row["loader"], row["workers"]) for row in found["rows"]] == [
        ("usual loader", 0),
        ("cgkit", 0),
        ("usual loader", 1),
        ("cgkit", 1),
    ]
    for row in found["rows"]:
        assert row["times what a step takes"] == pytest.approx(row["images a second"] / found["consumed"])


def test_startup(benchmark: Benchmark) -> None:
    found = benchmark("startup", "--repetitions", 1, "--without-compile")
    baseline = found["rows"][0]
    assert baseline["what"] == "import torch"
    assert {"cgkit --help", "cgkit list-components", "cgkit run, one step"} < {row["what"] for row in found["rows"]}
    for row in found["rows"]:
        assert row["of importing torch"] == pytest.approx(row["time"]["median"] / baseline["time"]["median"])


def test_scaling(benchmark: Benchmark) -> None:
    found = benchmark("scaling", "--size", 32, *TINY, "--steps", 1)
    alone, two = found["rows"]
    assert alone["MB sent a process"] == 0
    assert two["MB sent a process"] > 0
    assert two["all-reduce"]["median"] > 0
    assert [row["GPUs"] for row in found["model"]] == [8, 64]


def test_precision(benchmark: Benchmark, tiny_spec: Path) -> None:
    found = benchmark("precision", tiny_spec, "--seeds", 0, 1, "--set", "train.steps=1")
    assert {row["score"] for row in found["rows"]} >= {"psnr a2b", "psnr b2a"}
    for row in found["rows"]:
        assert row["difference"] == pytest.approx(row["bf16"] - row["fp32"])
        assert row["spread between seeds"] > 0
    assert len(found["runs"]["bf16"]) == 2


def test_each_is_described_and_its_figures_are_committed() -> None:
    scripts = {file.stem for file in FOLDER.glob("*.py")} - {"measuring", "plain_cyclegan"}
    page = (FOLDER / "README.md").read_text()
    assert set(re.findall(r"^## `(\w+)\.py`", page, re.MULTILINE)) == scripts
    assert {file.name.partition("-")[0] for file in (FOLDER / "results").glob("*.json")} >= scripts
