"""What every benchmark shares: a process for each thing measured, medians with their spread, a table and JSON."""

from __future__ import annotations

import importlib.metadata
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table

from cgkit.engine.memory import peak_memory

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """How long something took, over several repetitions.

    Attributes:
        median: seconds.
        low: the first quartile.
        high: the third.
        repetitions: how many there were.
    """

    median: float
    low: float
    high: float
    repetitions: int

    def __str__(self) -> str:
        return f"{_readable(self.median)} ({_readable(self.low)} to {_readable(self.high)})"


def timed(action: Callable[[], object], *, warm_ups: int = 1, seconds: float = 10.0, at_least: int = 3) -> Timing:
    """Repeat an action for that many seconds, and at least so often; what it returns is waited for."""
    for _ in range(warm_ups):
        action()
    taken: list[float] = []
    while len(taken) < at_least or sum(taken) < seconds:
        wait_for_device()
        start = time.perf_counter()
        action()
        wait_for_device()
        taken.append(time.perf_counter() - start)
    return timing_of(taken)


def timing_of(seconds: Sequence[float]) -> Timing:
    """Return the median and quartiles of durations."""
    low, _, high = quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else (seconds[0],) * 3
    return Timing(median(seconds), low, high, len(seconds))


def wait_for_device() -> None:
    """Wait until the GPU, if there is one, has done what it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def in_own_process(function: Callable[..., T], *arguments: Any, **environment: str) -> T:
    """Call a function of an importable module in a fresh process, so that memory and caches are its own."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:
            return pool.submit(function, *arguments).result()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


@dataclass(frozen=True)
class Measured:
    """What was seen of something that was repeated in a process of its own.

    Attributes:
        timing: how long it took.
        memory: its peak in bytes, beyond what importing torch takes.
        about: what its preparation told besides.
    """

    timing: Timing
    memory: int
    about: Any


Prepare = Callable[[T], tuple[Callable[[], object], Any]]
"""Makes of a case what is to be repeated, and something to tell about it."""


def in_turns(prepare: Prepare[T], cases: Sequence[T], *, seconds: float, at_least: int = 3) -> list[Measured]:
    """Repeat something for every case, each in a process of its own; the processes take turns.

    A machine is not equally quick at all times. What is compared is measured side by side for that.

    Args:
        prepare: a function of an importable module; what it returns has been done once.
        cases: what to prepare.
        seconds: how long each is repeated.
        at_least: how often it is at least.
    """
    context = multiprocessing.get_context("spawn")
    with ExitStack() as processes:
        ends: list[Connection] = []
        for case in cases:
            end, other = context.Pipe()
            process = context.Process(target=_repeat, args=(prepare, case, other), daemon=True)
            process.start()
            other.close()
            processes.callback(process.join)
            processes.callback(end.close)
            end.recv()  # prepared
            ends.append(end)
        taken: list[list[float]] = [[] for _ in cases]
        while len(taken[0]) < at_least or min(map(sum, taken)) < seconds:
            for end, one in zip(ends, taken, strict=True):
                end.send(True)
                one.append(end.recv())
        measured = []
        for end, one in zip(ends, taken, strict=True):
            end.send(False)
            memory, about = end.recv()
            measured.append(Measured(timing_of(one), memory, about))
    return measured


def _repeat(prepare: Prepare[T], case: T, end: Connection) -> None:
    before = own_peak_memory()
    action, about = prepare(case)
    end.send(True)
    while end.recv():
        wait_for_device()
        start = time.perf_counter()
        action()
        wait_for_device()
        end.send(time.perf_counter() - start)
    end.send((own_peak_memory() - before, about))


def own_peak_memory() -> int:
    """Return the most bytes that this process, or its share of the GPU, has held so far."""
    return peak_memory(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def matrix_product_rate(precision: str) -> float:
    """Return the multiply-adds, times two, a second of a large matrix product: what the machine can do at most."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = 8192 if device == "cuda" else 2048
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    best = min(timed(lambda: a @ b, warm_ups=3, seconds=0.2).low for _ in range(5))
    return 2 * size**3 / best


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "gpu": gpu,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cgkit": importlib.metadata.version("cgkit"),
    }


def report(title: str, rows: Sequence[Mapping[str, Any]], output: Path | None = None, **more: Any) -> None:
    """Print a table, and write it as JSON with the machine's description.

    Args:
        title: what was measured.
        rows: the table's rows, each with the same keys; a `Timing` is shown with its spread.
        output: the JSON file.
        more: what else belongs into the file.
    """
    console = Console()
    table = Table(*(str(name) for name in rows[0]), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    console.print(table)
    about = machine()
    console.print(
        f"{about['gpu'] or about['processor']}, {about['cores']} cores; torch {about['torch']}", highlight=False
    )
    if output is not None:
        found = {"title": title, "machine": about, "rows": [_plain(row) for row in rows], **more}
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        console.print(f"written to {output}", highlight=False)


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(value) if isinstance(value, Timing) else value for name, value in row.items()}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _readable(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    flags = {flag for line in text.splitlines() if line.startswith("flags") for flag in line.split()}
    fast = [name for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")) if flag in flags]
    return " with ".join(filter(None, [models[0] if models else platform.processor(), " and ".join(fast)]))
