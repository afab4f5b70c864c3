"""Very many images, and a very long run: what does it cost to begin, to continue and to look at them?

python benchmarks/large.py --output large.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from measuring import TINY_NETWORKS, report
from PIL import Image

SPEC = """
[data]
source = "folder"
a = "{folder}/a"
b = "{folder}/b"
size = 16
workers = 0

[train]
steps = 8
precision = "fp32"

[log]
every = 1

[samples]
every = 1
count = 1

[evaluation]
count = 4
"""

SMALL = 20
"""The number of images of a domain in the baseline."""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=200_000, help="images of each domain")
    parser.add_argument("--lines", type=int, default=1_000_000, help="recorded steps of the long run")
    parser.add_argument("--pictures", type=int, default=2670, help="pictures of the long run")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        os.environ["CGKIT_CACHE"] = str(Path(temporary) / "cache")
        rows = [*_with_many_images(Path(temporary), options.images)]
        rows += _with_a_long_run(Path(temporary), options.lines, options.pictures)
        sizes = {"images": options.images, "lines": options.lines, "pictures": options.pictures}
        report("Many images and long runs", rows, options.output, **sizes)


def _with_many_images(folder: Path, count: int) -> list[dict[str, Any]]:
    """Time the commands that read the headers of all images, at first and again."""
    few, many = (_write_images(folder / name, number) for name, number in (("few", SMALL), ("many", count)))
    rows = []
    for command, when in (("check", "at first"), ("check", "again"), ("run", "again")):
        baseline, case = (_time(command, spec, f"{spec.stem}-{when}") for spec in (few, many))
        rows.append(_compare("images", f"{command}, {when}", baseline, case))
    return rows


def _write_images(folder: Path, count: int) -> Path:
    """Write different small images, and return a spec of a run on them."""
    random = np.random.default_rng(0)
    for side in "ab":
        (folder / side).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((20, 20)).save(folder / side / f"{number:06d}.png", compress_level=0)
    spec = folder.with_suffix(".toml")
    spec.write_text((SPEC + TINY_NETWORKS).format(folder=folder))
    return spec


def _with_a_long_run(folder: Path, lines: int, pictures: int) -> list[dict[str, Any]]:
    """Time the commands that read the records and the pictures of a run."""
    short, long = folder / "runs" / "short", folder / "runs" / "long"
    _time("run", folder / "few.toml", "runs/short")
    shutil.copytree(short, long)
    _lengthen(long, lines, pictures)
    rows = []
    for command in ("report", "compare", "runs", "run"):
        baseline, case = (_time(command, run) for run in (short, long))
        rows.append(_compare("steps", "run, which continues" if command == "run" else command, baseline, case))
    rows[0]["page, MB"] = (long / "report.html").stat().st_size / 1e6
    return rows


def _lengthen(run: Path, lines: int, pictures: int) -> None:
    """Turn a run of a few steps into one that seems to have trained many, with records and pictures of all of them."""
    (checkpoint,) = (run / "checkpoints").iterdir()
    manifest = json.loads((checkpoint / "MANIFEST.json").read_text())
    manifest["step"] = lines
    (checkpoint / "MANIFEST.json").write_text(json.dumps(manifest))
    checkpoint.rename(checkpoint.with_name(f"step-{lines:09d}"))
    recorded = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    random = np.random.default_rng(0)
    with (run / "metrics.jsonl").open("w") as file:
        for step in range(1, lines + 1):
            values = {name: value * random.uniform(0.9, 1.1) for name, value in recorded[step % 8].items()}
            file.write(json.dumps({**values, "step": step, "time": recorded[0]["time"] + step}) + "\n")
    sample = next((run / "samples").iterdir())
    for number in range(1, pictures + 1):
        shutil.copy(sample, run / "samples" / f"step-{number * lines // pictures:06d}.png")


def _time(command: str, what: Path, output: str = "") -> tuple[float, float]:
    """Return the seconds that a command takes, and its peak memory in MB."""
    arguments = [command, str(what)]
    if command == "run":
        manifest = next((what / "checkpoints").rglob("MANIFEST.json")) if what.is_dir() else None
        steps = json.loads(manifest.read_text())["step"] + 1 if manifest else 8
        arguments += ["--set", f"train.steps={steps}"]
        arguments += ["--output", str(what.parent / output)] if output else []
    if command == "compare":
        arguments.append(str(what))
    if command == "runs":
        arguments = [command, str(what.parent)]
    start = time.perf_counter()
    with subprocess.Popen([sys.executable, "-m", "cgkit", *arguments], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"cgkit {' '.join(arguments)} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_maxrss * 1024 / 1e6


def _compare(many: str, command: str, baseline: tuple[float, float], measured: tuple[float, float]) -> dict[str, Any]:
    return {
        "many": many,
        "command": command,
        "seconds": measured[0],
        "seconds with few": baseline[0],
        "times": measured[0] / baseline[0],
        "memory, MB": measured[1],
        "memory, times": measured[1] / baseline[1],
    }


if __name__ == "__main__":
    main()
