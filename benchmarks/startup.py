"""Start-up time of commands, and of a run until its first training step, compared with importing torch.

python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import Timing, report, timed

TINY = """
[data]
source = "seasons"
size = 64
train = 8
test = 2

[generator]
name = "resnet"
width = 16
blocks = 2

[train]
steps = 1

[samples]
count = 1

[evaluation]
count = 1
"""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=5, help="number of repetitions of each command")
    parser.add_argument("--without-compile", action="store_true", help="skip torch.compile, which takes a minute")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        spec = folder / "spec.toml"
        spec.write_text(TINY)
        run = ["-m", "cgkit", "run", str(spec), "--output"]
        compiled = ["--set", "train.compile=true"]
        commands: dict[str, list[str]] = {
            "import torch": ["-c", "import torch"],
            "import cgkit": ["-c", "import cgkit"],
            "cgkit --help": ["-m", "cgkit", "--help"],
            "cgkit list-components": ["-m", "cgkit", "list-components"],
            "cgkit check": ["-m", "cgkit", "check", str(spec)],
        }
        timings = {name: time_command(command, options.repetitions) for name, command in commands.items()}
        runs = folder / "runs"
        timings["cgkit run, one step"] = time_command([*run, f"{runs}/%d"], options.repetitions)
        if not options.without_compile:
            os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "compiled")
            timings["the same, compiled for the first time"] = time_command([*run, f"{runs}/first", *compiled], 1)
            cached = time_command([*run, f"{runs}/again-%d", *compiled], options.repetitions)
            timings["the same, compiled before"] = cached
    baseline = timings["import torch"].median
    rows: list[dict[str, Any]] = [
        {"what": name, "time": timing, "of importing torch": timing.median / baseline}
        for name, timing in timings.items()
    ]
    report("Starting up", rows, options.output)


def time_command(command: list[str], times: int) -> Timing:
    """Time the Python interpreter with the arguments `command`, in which `%d` is the number of the repetition."""
    numbers = iter(range(times + 1))

    def once() -> None:
        number = next(numbers)
        arguments = [part.replace("%d", str(number)) for part in command]
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    # A command that fills a cache runs only once, without a warm-up, which would already fill the cache.
    return timed(once, warm_ups=1 if times > 1 else 0, seconds=0, at_least=times)


if __name__ == "__main__":
    main()
