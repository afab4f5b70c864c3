"""Every benchmark runs as a command and writes its figures along with those of the baseline."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Benchmark = Callable[..., dict[str, Any]]
FOLDER = Path(__file__).parents[2] / "benchmarks"
TINY = ("--width", 4, "--blocks", 1)


def test_training_step_compares_with_a_plain_step(benchmark: Benchmark) -> None:
    results = benchmark("training_step", "--sizes", 32, *TINY, "--seconds", 0, "--precisions", "fp32", "--kinds", "low")
    plain, low = results["rows"]
    assert [row["step"] for row in results["rows"]] == ["plain, fp32", "low, fp32"]
    assert plain["faster"] == 1
    assert low["faster"] == pytest.approx(plain["time"]["median"] / low["time"]["median"])
    assert 0 < low["share of peak"] < 1


def test_translation_compares_with_a_plain_loop(benchmark: Benchmark) -> None:
    results = benchmark(
        "translation", "--size", 16, "--images", 3, *TINY, "--repetitions", 1, "--batches", 2, "--precisions", "fp32"
    )
    plain, command = results["rows"]
    assert plain["faster"] == 1
    assert command["faster"] == pytest.approx(command["images a second"] / plain["images a second"])
    assert command["peak memory, GB"] > 0.1


def test_data_compares_with_a_plain_loader_and_a_step(benchmark: Benchmark) -> None:
    results = benchmark("data", "--size", 32, "--files", 36, "--pairs", 4, "--workers", 0, 1, *TINY)
    assert [(row["files"], row["workers"], row["loader"]) for row in results["rows"]] == [
        (36, workers, loader) for workers in (0, 1) for loader in ("usual loader", "cgkit")
    ]
    for plain, ours in zip(results["rows"][::2], results["rows"][1::2], strict=True):
        assert plain["faster"] == 1
        assert ours["faster"] == pytest.approx(ours["images a second"] / plain["images a second"])
        for row in (plain, ours):
            assert row["images a second"] == pytest.approx(2 / row["a pair"]["median"])
            assert row["times what a step takes"] == pytest.approx(row["images a second"] / results["consumed"])


def test_startup_compares_with_importing_torch(benchmark: Benchmark) -> None:
    results = benchmark("startup", "--repetitions", 1, "--without-compile")
    baseline = results["rows"][0]
    assert baseline["what"] == "import torch"
    assert {"cgkit --help", "cgkit list-components", "cgkit run, one step"} < {row["what"] for row in results["rows"]}
    for row in results["rows"]:
        assert row["of importing torch"] == pytest.approx(row["time"]["median"] / baseline["time"]["median"])


def test_large_compares_many_images_and_steps_with_few(benchmark: Benchmark) -> None:
    results = benchmark("large", "--images", 30, "--lines", 200, "--pictures", 12)
    assert [(row["many"], row["command"]) for row in results["rows"]] == [
        ("images", "check, at first"),
        ("images", "check, again"),
        ("images", "run, again"),
        ("steps", "report"),
        ("steps", "compare"),
        ("steps", "runs"),
        ("steps", "run, which continues"),
    ]
    assert all(row["times"] > 0 and row["memory, times"] > 0 for row in results["rows"])


def test_soak_measures_memory_files_threads_and_disk_over_time(benchmark: Benchmark) -> None:
    results = benchmark("soak", "--steps", 300, "--every", 20)
    assert 5 <= len(results["rows"]) <= 10
    for row in results["rows"]:
        assert row["memory, MB"] > 100
        assert row["open files"] >= 3
        assert row["threads"] >= 1
    first, last = results["rows"][0], results["rows"][-1]
    assert last["records and samples, MB"] > first["records and samples, MB"]


def test_serving_compares_many_clients_with_one(benchmark: Benchmark) -> None:
    results = benchmark("serving", "--clients", 4, "--minutes", 0.03, "--width", 4, "--blocks", 1, "--sides", 32)
    alone, many = results["rows"]
    assert (alone["clients"], many["clients"]) == (1, 4)
    assert results["lost"] == []
    assert many["faster"] == pytest.approx(many["a second"] / alone["a second"])


def test_scaling_measures_several_processes_and_models_gpus(benchmark: Benchmark) -> None:
    results = benchmark("scaling", "--size", 32, *TINY, "--steps", 1)
    alone, two = results["rows"]
    assert alone["MB sent a process"] == 0
    assert two["MB sent a process"] > 0
    assert two["all-reduce"]["median"] > 0
    assert [row["GPUs"] for row in results["model"]] == [8, 64]


def test_scaling_refuses_a_batch_that_cannot_be_split_evenly() -> None:
    command = [sys.executable, str(FOLDER / "scaling.py"), "--processes", "1", "3", "--batch", "4"]
    refused = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert refused.returncode == 2
    assert "a batch of 4 cannot be split evenly over 3 processes" in refused.stderr


def test_the_model_of_a_ring_has_the_documented_formula() -> None:
    from scaling import ring_seconds

    assert ring_seconds(1, 10**9, bandwidth=1e9, latency=1.0) == 0
    assert ring_seconds(4, 10**9, bandwidth=1e9, latency=0.0) == pytest.approx(2 * 3 / 4)
    assert ring_seconds(4, 0, bandwidth=1e9, latency=0.5) == pytest.approx(2 * 3 * 0.5)


def test_precision_compares_bf16_with_the_spread_between_seeds(benchmark: Benchmark, tiny_spec: Path) -> None:
    results = benchmark("precision", tiny_spec, "--seeds", 0, 1, "--set", "train.steps=1")
    assert {row["score"] for row in results["rows"]} >= {"psnr a2b", "psnr b2a"}
    for row in results["rows"]:
        assert row["difference"] == pytest.approx(row["bf16"] - row["fp32"])
        assert row["spread between seeds"] > 0
    assert len(results["runs"]["bf16"]) == 2


def test_gpu_goes_through_all_its_parts_without_a_gpu(benchmark: Benchmark) -> None:
    """All but its tests, which are this suite's own."""
    parts = ("peaks", "steps", "loader", "nccl", "scores", "training")
    results = benchmark("gpu", "--dry-run", "--only", *parts)["parts"]
    assert set(results) == set(parts)
    assert [part for part, values in results.items() if "failed" in values] == []
    assert [row["kind"] for row in results["steps"]] == ["plain", "eager", "graph", "plain"]
    assert all(row["seconds"] > 0 for row in results["steps"])
    assert results["loader"]["pairs a second"] > 0
    assert {number["name"] for number in results["scores"]["bf16-0"]} >= {"psnr", "l1"}
    assert results["training"] | {"last": []} == {"step": 2, "state": "finished", "last": []}


def test_gpu_refuses_a_machine_without_a_gpu() -> None:
    refused = subprocess.run(
        [sys.executable, str(FOLDER / "gpu.py")], capture_output=True, text=True, check=False, timeout=100
    )
    assert refused.returncode == 2
    assert "--dry-run" in refused.stderr


def test_every_benchmark_is_documented_and_its_figures_are_committed() -> None:
    scripts = {file.stem for file in FOLDER.glob("*.py")} - {"measuring"}
    page = (FOLDER / "README.md").read_text()
    assert set(re.findall(r"^## `(\w+)\.py`", page, re.MULTILINE)) == scripts
    assert {file.name.partition("-")[0] for file in (FOLDER / "results").glob("*.json")} >= scripts


def test_tiling_measures_time_and_memory(benchmark: Benchmark) -> None:
    results = benchmark("tiling", "--sizes", "64x48", *TINY, "--methods", "exact")
    (exact,) = results["rows"]
    assert (exact["image"], exact["method"]) == ("64x48", "exact")
    assert exact["seconds"] > 0
    assert exact["peak memory, GB"] > 0.1


def test_video_flickers_less_with_common_statistics(benchmark: Benchmark) -> None:
    results = benchmark("video", "--size", 32, "--frames", 4, "--samples", 4, "--width", 4)
    flicker = {(row["what changes"], row["statistics"]): row["flicker"] for row in results["rows"]}
    assert flicker["something passes", "of 4 frames"] < flicker["something passes", "each frame's own"]
