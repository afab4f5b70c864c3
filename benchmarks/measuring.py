"""What the benchmarks share: a trainer, a process per measurement, medians with quartiles, tables and JSON."""

from __future__ import annotations

import argparse
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

from cgkit.engine.assembly import assemble
from cgkit.engine.distributed import ALONE, Processes
from cgkit.engine.memory import peak_memory
from cgkit.engine.precision import Precision
from cgkit.engine.trainer import Trainer
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec

TINY_NETWORKS = """
[generator]
name = "resnet"
width = 4
blocks = 1

[discriminator]
name = "patch"
width = 4
layers = 1
"""
"""The part of a spec for benchmarks in which training should cost little."""

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Durations of several repetitions.

    Attributes:
        median: the median in seconds.
        low: the first quartile in seconds.
        high: the third quartile in seconds.
        repetitions: number of repetitions.
    """

    median: float
    low: float
    high: float
    repetitions: int

    def __str__(self) -> str:
        return f"{_format_seconds(self.median)} ({_format_seconds(self.low)} to {_format_seconds(self.high)})"


def timed(action: Callable[[], object], *, warm_ups: int = 1, seconds: float = 10.0, at_least: int = 3) -> Timing:
    """Time an action at least `at_least` times and for at least `seconds` in total, including its work on the GPU."""
    for _ in range(warm_ups):
        action()
    durations: list[float] = []
    while len(durations) < at_least or sum(durations) < seconds:
        durations.append(_time_once(action))
    return timing_of(durations)


def _time_once(action: Callable[[], object]) -> float:
    wait_for_device()
    start = time.perf_counter()
    action()
    wait_for_device()
    return time.perf_counter() - start


def timing_of(seconds: Sequence[float]) -> Timing:
    """Return the median and quartiles of durations."""
    low, _, high = quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else (seconds[0],) * 3
    return Timing(median(seconds), low, high, len(seconds))


def wait_for_device() -> None:
    """Wait until the GPU, if there is one, has finished its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def in_own_process(function: Callable[..., T], *arguments: Any, **environment: str) -> T:
    """Call a function of an importable module in a new process, which shares no memory or caches with this process."""
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
    """Measurements of an action that was repeated in its own process.

    Attributes:
        timing: durations of the repetitions.
        memory: increase in peak memory since before the preparation, in bytes.
        about: the second value that the preparation returned.
    """

    timing: Timing
    memory: int
    about: Any


Prepare = Callable[[T], tuple[Callable[[], object], Any]]
"""Prepares a case; returns the action to repeat, and anything else to report about the case."""


def in_turns(prepare: Prepare[T], cases: Sequence[T], *, seconds: float, at_least: int = 3) -> list[Measured]:
    """Repeat the action of every case. Each case has its own process; the processes take turns.

    The speed of a machine varies over minutes. Taking turns exposes all cases to the same variation.

    Args:
        prepare: a function of an importable module, which runs the action of a case once and returns the action.
        cases: the arguments with which `prepare` is called.
        seconds: minimum total duration of the repetitions of each case.
        at_least: minimum number of repetitions.
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
            end.recv()  # wait until the case is prepared
            ends.append(end)
        durations: list[list[float]] = [[] for _ in cases]
        while len(durations[0]) < at_least or min(map(sum, durations)) < seconds:
            for end, of_case in zip(ends, durations, strict=True):
                end.send(True)
                of_case.append(end.recv())
        measured = []
        for end, of_case in zip(ends, durations, strict=True):
            end.send(False)
            memory, about = end.recv()
            measured.append(Measured(timing_of(of_case), memory, about))
    return measured


def _repeat(prepare: Prepare[T], case: T, end: Connection) -> None:
    before = own_peak_memory()
    action, about = prepare(case)
    end.send(True)
    while end.recv():
        end.send(_time_once(action))
    end.send((own_peak_memory() - before, about))


def own_peak_memory() -> int:
    """Return the peak memory of this process in bytes, on the GPU if there is one, else on the CPU."""
    return peak_memory(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def matrix_product_rate(precision: str) -> float:
    """Measure the FLOP/s of a large matrix product, as an estimate of the machine's peak performance."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    size = 8192 if device == "cuda" else 2048
    dtype = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}[precision]
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    with Precision(precision, torch.device(device)).products():
        best = min(timed(lambda: a @ b, warm_ups=3, seconds=0.2).low for _ in range(5))
    return 2 * size**3 / best


def trainer_for(
    size: int,
    networks: Mapping[str, int],
    precision: Precision,
    processes: Processes = ALONE,
    **train: Any,
) -> Trainer:
    """Return a trainer with a residual generator, a patch discriminator and least squares.

    Args:
        size: side of an image in pixels.
        networks: `width` of both networks and `blocks` of the generators.
        precision: how to compute.
        processes: the ranks.
        train: settings of the spec's table `train`.
    """
    plugins = load_plugins(installed=False)
    settings = {
        "data": {"source": "seasons", "size": size},
        "generator": {"name": "resnet", **networks},
        "discriminator": {"name": "patch", "width": networks["width"]},
        "adversarial_loss": {"name": "least-squares"},
        "train": {"steps": 1000, **train},
        "augmentation": [],
    }
    spec = resolve_spec(settings, plugins)
    built = assemble(spec, plugins)
    return Trainer(
        built,
        spec,
        steps=1000,
        epoch_steps=1000,
        precision=precision,
        processes=processes,
    )


def machine() -> dict[str, Any]:
    """Return the hardware and the software versions with which the results are measured."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {
        "processor": _describe_processor(),
        "cores": os.cpu_count(),
        "gpu": gpu,
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cgkit": importlib.metadata.version("cgkit"),
    }


def report(title: str, rows: Sequence[Mapping[str, Any]], output: Path | None = None, **more: Any) -> None:
    """Print a table, and write it as JSON with a description of the machine.

    Args:
        title: the title of the table.
        rows: the rows of the table, all with the same keys; a `Timing` is printed with its quartiles.
        output: the JSON file to write; None to write no file.
        more: further entries of the JSON file.
    """
    console = Console()
    table = Table(*(str(name) for name in rows[0]), title=title, title_justify="left")
    for row in rows:
        table.add_row(*(_format_value(value) for value in row.values()))
    console.print(table)
    about = machine()
    console.print(
        f"{about['gpu'] or about['processor']}, {about['cores']} cores; torch {about['torch']}", highlight=False
    )
    if output is not None:
        document = {"title": title, "machine": about, "rows": [_convert_row(row) for row in rows], **more}
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        console.print(f"written to {output}", highlight=False)


def options_as_json(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options of a benchmark's command line as JSON values."""
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}


def _convert_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: asdict(value) if isinstance(value, Timing) else value for name, value in row.items()}


def _format_value(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def _describe_processor() -> str:
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    flags = {flag for line in text.splitlines() if line.startswith("flags") for flag in line.split()}
    fast = [name for flag, name in (("amx_bf16", "AMX"), ("avx512_bf16", "AVX512-BF16")) if flag in flags]
    return " with ".join(filter(None, [models[0] if models else platform.processor(), " and ".join(fast)]))
