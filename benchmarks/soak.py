"""A long run of tiny steps that logs, samples, scores, saves and prunes: does anything grow?

python benchmarks/soak.py --steps 100000
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import TINY_NETWORKS, report

SPEC = """
[data]
source = "seasons"
size = 16
train = 16
test = 4
workers = 0

[train]
steps = {steps}
precision = "fp32"

[log]
every = 10

[samples]
every = {every}
count = 1

[checkpoint]
every = {every}

[evaluation]
every = {every}
count = 4
best = "psnr"
"""

GROWTH = {"memory, MB": 1.05, "open files": 1.0, "threads": 1.0, "disk without records and samples, MB": 1.05}
"""By which factor each figure may be larger in the last tenth than in the fifth one."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100_000, help="steps of training")
    parser.add_argument("--every", type=int, default=500, help="steps between samples, scores and checkpoints")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measured = _train(Path(folder), options.steps, options.every)
    tenths = [measured[len(measured) * tenth // 10 : len(measured) * (tenth + 1) // 10] for tenth in range(10)]
    rows = [{"tenth": number, **_medians(tenth)} for number, tenth in enumerate(tenths, 1) if tenth]
    report("A long run of tiny steps", rows, options.output, steps=options.steps, every=options.every)
    middle, last = rows[(len(rows) - 1) // 2], rows[-1]
    grown = [name for name, factor in GROWTH.items() if last[name] > factor * middle[name]]
    if grown:
        sys.exit(f"grown: {', '.join(grown)}")


def _train(folder: Path, steps: int, every: int) -> list[dict[str, float]]:
    """Train, and return the figures of the process and its folder over time."""
    (folder / "spec.toml").write_text((SPEC + TINY_NETWORKS).format(steps=steps, every=every))
    run = folder / "run"
    command = [sys.executable, "-m", "cgkit", "run", str(folder / "spec.toml"), "--output", str(run)]
    measured = []
    with (folder / "output").open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        while process.poll() is None:
            if (run / "checkpoints").exists():  # training has begun
                try:
                    measured.append(_measure(process.pid, run))
                except (FileNotFoundError, KeyError):  # the process has just ended, or a checkpoint was just pruned
                    continue
            time.sleep(min(2.0, steps / 1000))
    if process.returncode:
        sys.exit((folder / "output").read_text())
    return measured


def _measure(process: int, run: Path) -> dict[str, float]:
    """Return the memory, open files and threads of a process (only on Linux), and the disk space of its run."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    sizes = {file: file.stat().st_size / 1e6 for file in run.rglob("*") if file.is_file()}
    growing = sum(
        size for file, size in sizes.items() if file.suffix in (".jsonl", ".html") or file.parent.name == "samples"
    )
    return {
        "memory, MB": int(status["VmRSS"].split()[0]) * 1024 / 1e6,
        "open files": len(list(Path(f"/proc/{process}/fd").iterdir())),
        "threads": int(status["Threads"]),
        "disk without records and samples, MB": sum(sizes.values()) - growing,
        "records and samples, MB": growing,
    }


def _medians(measured: list[dict[str, float]]) -> dict[str, Any]:
    return {name: statistics.median(row[name] for row in measured) for name in measured[0]}


if __name__ == "__main__":
    main()
