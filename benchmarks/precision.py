"""Scores of a spec trained in fp32 and in bf16 with several seeds, to show how much quality bf16 costs.

    python benchmarks/precision.py examples/seasons.toml --seeds 0 1 2

Precision makes no measurable difference if the two means differ no more than the scores of different seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from measuring import in_own_process, report

import cgkit

Scores = dict[str, float]


def scores(spec: Path, seed: int, precision: str, overrides: list[str]) -> Scores:
    """Train once, and return the scores on the test images by name and direction, such as `psnr a2b`."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [*overrides, f"seed={seed}", f"train.precision={precision}", "train.compile=false"]
        outcome = cgkit.run(spec, output=Path(folder) / "run", overrides=settings)
    return {f"{score.name} {score.direction}": score.value for score in outcome.scores}


def compare(name: str, fp32: list[float], bf16: list[float]) -> dict[str, Any]:
    """Return a row: both means, their difference, and, for comparison, the standard deviation between seeds."""
    spread = ((stdev(fp32) ** 2 + stdev(bf16) ** 2) / 2) ** 0.5
    difference = fmean(bf16) - fmean(fp32)
    return {
        "score": name,
        "fp32": fmean(fp32),
        "bf16": fmean(bf16),
        "difference": difference,
        "spread between seeds": spread,
        "difference in spreads": abs(difference) / spread,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path, help="a spec with aligned test images, so that there are scores")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--set", dest="overrides", action="append", default=[], help="override a value of the spec, KEY=VALUE"
    )
    parser.add_argument(
        "--add", type=Path, help="JSON file of an earlier call with other seeds of the same spec, to include"
    )
    parser.add_argument("--at-once", type=int, default=1, help="number of concurrent trainings, which share the cores")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    if options.at_once > 1:  # with more threads than cores, training would slow down severely
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // options.at_once))
    with ThreadPoolExecutor(options.at_once) as trainings:
        futures = {
            precision: [
                trainings.submit(in_own_process, scores, options.spec, seed, precision, options.overrides)
                for seed in options.seeds
            ]
            for precision in ("fp32", "bf16")
        }
        runs = {precision: [future.result() for future in submitted] for precision, submitted in futures.items()}
    seeds = options.seeds
    if options.add:
        earlier = json.loads(options.add.read_text(encoding="utf-8"))
        seeds = earlier["options"]["seeds"] + seeds
        runs = {precision: earlier["runs"][precision] + added for precision, added in runs.items()}
    names = runs["fp32"][0]
    rows = [
        compare(name, *([scores[name] for scores in of_precision] for of_precision in runs.values())) for name in names
    ]
    settings = {
        "spec": options.spec.name,
        "text": options.spec.read_text(encoding="utf-8"),
        "seeds": seeds,
        "overrides": options.overrides,
    }
    title = f"Scores of {options.spec.name} with {len(seeds)} seeds each"
    report(title, rows, options.output, options=settings, runs=runs)


if __name__ == "__main__":
    main()
