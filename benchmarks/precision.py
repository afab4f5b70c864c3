"""What bf16 costs in quality: the same spec trained in fp32 and in bf16, several seeds each, and their scores.

    python benchmarks/precision.py examples/seasons.toml --seeds 0 1 2

Precision makes no difference where the means differ by no more than seeds of one precision do.
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
    """Train and return the scores on the test images: `psnr a2b` and so on."""
    with tempfile.TemporaryDirectory() as folder:
        settings = [*overrides, f"seed={seed}", f"train.precision={precision}", "train.compile=false"]
        outcome = cgkit.run(spec, output=Path(folder) / "run", overrides=settings)
    return {f"{score.name} {score.direction}": score.value for score in outcome.scores}


def compared(name: str, fp32: list[float], bf16: list[float]) -> dict[str, Any]:
    """Return a row: both means, the spread between seeds, and how far apart the means are in units of it."""
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
    """Train, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path, help="a spec whose test images are aligned, so that there are scores")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="a value of the spec, KEY=VALUE")
    parser.add_argument("--add", type=Path, help="figures of other seeds of the same spec, to be counted in")
    parser.add_argument("--at-once", type=int, default=1, help="trainings at once, which share the cores")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    if options.at_once > 1:  # more threads than cores slow each other down many times over
        os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // options.at_once))
    with ThreadPoolExecutor(options.at_once) as trainings:
        waited_for = {
            precision: [
                trainings.submit(in_own_process, scores, options.spec, seed, precision, options.overrides)
                for seed in options.seeds
            ]
            for precision in ("fp32", "bf16")
        }
        found = {precision: [one.result() for one in runs] for precision, runs in waited_for.items()}
    seeds = options.seeds
    if options.add:
        others = json.loads(options.add.read_text(encoding="utf-8"))
        seeds = others["options"]["seeds"] + seeds
        found = {precision: others["runs"][precision] + runs for precision, runs in found.items()}
    names = found["fp32"][0]
    rows = [compared(name, *([one[name] for one in found[precision]] for precision in found)) for name in names]
    settings = {
        "spec": options.spec.name,
        "text": options.spec.read_text(encoding="utf-8"),
        "seeds": seeds,
        "overrides": options.overrides,
    }
    title = f"Scores of {options.spec.name} after {len(seeds)} seeds each"
    report(title, rows, options.output, options=settings, runs=found)


if __name__ == "__main__":
    main()
