"""Read damaged files of one kind in a process of its own: `worker.py TARGET SEED SECONDS COUNT`.

A timer ends a reader that computes for too long, even in native code; one that takes too much memory gets no more. The
file that did it is `last` in the working folder. What readers raised is printed as JSON.
"""

from __future__ import annotations

import json
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

from cgkit.errors import CgkitError, SpecError
from tests.fuzz.mutations import mutate
from tests.fuzz.targets import TARGETS

SECONDS = 5
"""After which reading a damaged file counts as hung."""
MEMORY = 2 << 30
"""The bytes of address space that reading may take, in addition to what the intact files took."""


def main(name: str, seed: int, seconds: float, count: int) -> None:
    """Read intact files, then up to `count` damaged ones for up to `seconds`."""
    target, work = TARGETS[name], Path.cwd()
    warnings.simplefilter("ignore")
    found = Path(__file__).parent / "found" / name
    examples = [*target.examples(work), *(file.read_bytes() for file in sorted(found.glob("*")))]
    file = target.folder(work) / target.name
    outcomes: Counter[str] = Counter()
    problems: dict[str, str] = {}

    def read(content: bytes) -> None:
        (work / "last").write_bytes(content)
        file.write_bytes(content)
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # of computing, however busy the machine is
        try:
            target.read(file)
            outcomes["read"] += 1
        except CgkitError as error:
            outcomes["refused"] += 1
            if "\n" in str(error).strip() and not isinstance(error, SpecError):
                problems.setdefault("a message of several lines", str(error))
        except Exception as error:  # noqa: BLE001 - any is a finding
            place = traceback.extract_tb(error.__traceback__)[-1]
            key = f"{type(error).__name__} in {place.filename}:{place.lineno}"
            if key not in problems:
                (work / f"problem-{len(problems)}").write_bytes(content)
                problems[key] = traceback.format_exc()
        signal.setitimer(signal.ITIMER_PROF, 0)

    for example in examples:
        read(example)
    intact = outcomes["read"]
    _limit_memory()
    start, draws = time.monotonic(), random.Random(seed)
    done = 0
    while done < count and time.monotonic() < start + seconds:
        read(mutate(draws.choice(examples), draws, examples))
        done += 1
    print(json.dumps({"done": done, "intact": intact, **outcomes, "problems": problems}))  # noqa: T201


def _limit_memory() -> None:
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
