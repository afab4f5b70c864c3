"""Train CUT and CycleGAN on the same images, for equal steps and for equal time, and write their scores.

python benchmarks/compare.py results.json [FACADES]

FACADES is a folder with `trainA`, `trainB`, `testA` and `testB`, whose test images are aligned; without it, only the
painted landscapes are used. "Equal time" is equal CPU time of the training steps on one thread, so other programs on
the machine hardly matter.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

import cgkit

SPEC = """
name = "comparison"
[data]
size = 128
workers = 0
{data}
[generator]
name = "resnet"
width = 32
blocks = 6
[discriminator]
name = "patch"
width = 32
[train]
batch = 1
steps = 1
precision = "bf16"
[checkpoint]
every = 100_000
[samples]
every = 100_000
[evaluation]
count = 48
[[metric]]
name = "psnr"
[[metric]]
name = "ssim"
[[metric]]
name = "kid"
"""

ONE_SIDED = """
[objective]
adversarial = { a2b = 1.0, b2a = 0.0 }
cycle = 0.0
identity = 0.0
"""

METHODS = {
    "CycleGAN": "",
    "CUT": ONE_SIDED
    + """[[term]]
name = "patch-nce"
weight = { a2b = 1.0, b2a = 0.0 }
""",
    "FastCUT": ONE_SIDED
    + """[[term]]
name = "patch-nce"
weight = { a2b = 10.0, b2a = 0.0 }
identity = false
""",
}


class Clock:
    """A plugin that adds up the CPU time of the steps; that of an evaluation counts for the step after it."""

    def __init__(self) -> None:
        self.seconds: dict[int, float] = {}
        self._since = 0.0

    @cgkit.hookimpl
    def cgkit_run_started(self, run: Any) -> None:
        self._since = time.process_time()

    @cgkit.hookimpl
    def cgkit_step_finished(self, run: Any, step: int) -> None:
        self.seconds[step] = self.seconds.get(step - 1, 0.0) + time.process_time() - self._since
        self._since = time.process_time()


def train(data: str, method: str, seed: int, steps: int, every: int, folder: Path) -> tuple[Clock, dict[int, Any]]:
    """Train once; return the clock, and the scores of the translations from a to b by step."""
    file = folder / "spec.toml"
    file.write_text(SPEC.format(data=data) + METHODS[method])
    clock, plugins = Clock(), cgkit.load_plugins()
    plugins.manager.register(clock, name="clock")
    settings = (f"seed={seed}", f"train.steps={steps}", f"evaluation.every={every}")
    cgkit.run(file, overrides=settings, output=folder / f"{method}-{seed}", plugins=plugins, device="cpu")
    lines = [json.loads(line) for line in (folder / f"{method}-{seed}" / "metrics.jsonl").read_text().splitlines()]
    scores = {
        line["step"]: {key.removesuffix("_a2b"): value for key, value in line.items() if key.endswith("_a2b")}
        for line in lines
        if "psnr_a2b" in line
    }
    return clock, scores


def compare(data: str, methods: Sequence[str], seeds: int, steps: int) -> dict[str, Any]:
    """Return the scores of each method at equal steps and at equal time."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pace = {method: train(data, method, 99, 12, 100, folder)[0].seconds for method in methods}
        step_time = {method: (seconds[12] - seconds[2]) / 10 for method, seconds in pace.items()}
        found: dict[str, Any] = {method: {"seconds a step": step_time[method], "seeds": []} for method in methods}
        for seed in range(seeds):
            for method in methods:
                equal_time = round(steps * step_time["CycleGAN"] / step_time[method])
                _, scores = train(data, method, seed, max(steps, equal_time), steps, folder)
                found[method]["seeds"].append(scores)
                print(method, seed, json.dumps(scores), flush=True)
    return found


def main() -> None:
    """Run the comparison and write its results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("facades", type=Path, nargs="?")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=["CycleGAN", "CUT"])
    arguments = parser.parse_args()
    sets = {"landscapes": 'source = "seasons"'}
    if arguments.facades:
        parts = {"a": "trainB", "b": "trainA", "test_a": "testB", "test_b": "testA"}
        lines = [f'{key} = "{(arguments.facades / part).resolve()}"' for key, part in parts.items()]
        sets["facades"] = "\n".join(['source = "folder"', *lines, "aligned = true"])
    results: dict[str, Any] = {"steps": arguments.steps, "torch": torch.__version__}
    for name, data in sets.items():
        results[name] = compare(data, arguments.methods, arguments.seeds, arguments.steps)
        arguments.output.write_text(json.dumps(results, indent=2) + "\n")
    for name in sets:
        for method, found in results[name].items():
            for step in sorted({step for scores in found["seeds"] for step in scores}):
                values = [scores[step]["psnr"] for scores in found["seeds"] if step in scores]
                print(f"{name} {method} step {step}: PSNR {statistics.mean(values):.2f}")


if __name__ == "__main__":
    main()
