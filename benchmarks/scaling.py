"""Training with several processes: the time of a step with the same total batch, and the cost of communication.

    python benchmarks/scaling.py --processes 1 2

On a CPU, every process has one thread, even if there is only one process, and the backend is gloo. With several GPUs,
each process has its own GPU, and the backend is NCCL; this case has not been tested. The timed all-reduce is that of a
step, including the copies into and out of its buffer. The figures for 8 and 64 GPUs are predicted by a model and marked
as predictions.
"""

from __future__ import annotations

import argparse
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing as multiprocessing
from measuring import Timing, options_as_json, report, timing_of, trainer_for

from cgkit.data.loading import Batch
from cgkit.engine.distributed import join
from cgkit.engine.precision import Precision


@dataclass(frozen=True)
class Settings:
    """Settings of training: `batch` is the total over all processes, and `steps` is the number of timed steps."""

    size: int
    batch: int
    width: int
    blocks: int
    steps: int
    gpus: bool


@dataclass(frozen=True)
class Measured:
    """Measurements of rank 0: time of a whole step, time of its all-reduce, and bytes that the all-reduce averages."""

    step: Timing
    reduction: Timing
    bytes: int


def measure(count: int, settings: Settings) -> Measured:
    """Train in `count` processes, and return the measurements of rank 0; if one process fails, stop all of them."""
    with socket.socket() as unused:
        unused.bind(("localhost", 0))
        port = unused.getsockname()[1]
    results: Any = multiprocessing.get_context("spawn").SimpleQueue()
    multiprocessing.spawn(_train, (count, port, settings, results), nprocs=count)  # type: ignore[attr-defined,no-untyped-call]
    measured: Measured = results.get()
    return measured


def _train(rank: int, count: int, port: int, settings: Settings, results: Any) -> None:
    group = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in group.items()})
    torch.set_num_threads(1)
    device = torch.device("cuda", rank) if settings.gpus else torch.device("cpu")
    share = settings.batch // count
    images = torch.rand(2, share, 3, settings.size, settings.size) * 2 - 1
    batches = [Batch(*images, ("",) * share, ("",) * share)]
    with join(device) as processes:
        networks = {"width": settings.width, "blocks": settings.blocks}
        precision = Precision("fp32", device)
        trainer = trainer_for(settings.size, networks, precision, processes, batch=settings.batch)
        # Time the averaging of all gradients; the few numbers that a step also averages are left out.
        gradients = [torch.rand_like(parameter) for parameter in trainer.model.parameters()]

        def step() -> None:
            [float(loss) for loss in trainer.step(batches).values()]

        def reduce() -> None:
            processes.average(gradients)
            float(gradients[0].flatten()[0])

        timings: list[Timing] = []
        for action in (step, reduce):
            action()
            durations = []
            for _ in range(settings.steps):
                processes.wait_for_all()
                start = time.perf_counter()
                action()
                durations.append(time.perf_counter() - start)
            timings.append(timing_of(durations))
        if processes.is_first:
            size = sum(gradient.numel() * gradient.element_size() for gradient in gradients)
            results.put(Measured(timings[0], timings[1], size))
        processes.wait_for_all()


def ring_seconds(count: int, size: int, bandwidth: float, latency: float) -> float:
    """Return the seconds that a ring all-reduce of `size` bytes takes: each link carries 2(n-1) messages of size/n."""
    return 2 * (count - 1) * (latency + size / count / bandwidth)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--processes", type=int, nargs="+", default=[1, 2], help="numbers of processes; the first is the baseline"
    )
    parser.add_argument("--size", type=int, default=64, help="side of an image in pixels")
    parser.add_argument("--batch", type=int, default=2, help="images of each domain per step, over all processes")
    parser.add_argument("--width", type=int, default=64, help="width of the networks")
    parser.add_argument("--blocks", type=int, default=9, help="residual blocks")
    parser.add_argument("--steps", type=int, default=5, help="number of timed steps")
    parser.add_argument("--gpu-step", type=float, help="model: seconds of a step on one GPU, measured elsewhere")
    # The default bandwidth is nominal for an NDR InfiniBand port (400 Gbit/s each way); the latency is an assumption.
    parser.add_argument("--bandwidth", type=float, default=50e9, help="model: bytes per second of a link")
    parser.add_argument("--latency", type=float, default=5e-6, help="model: seconds per message")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    if uneven := [count for count in options.processes if count < 1 or options.batch % count]:
        parser.error(f"a batch of {options.batch} cannot be split evenly over {uneven[0]} processes")
    # One process on a GPU could not be compared with two on a CPU, so GPUs are used only if there are enough for all.
    gpus = torch.cuda.device_count() >= max(options.processes)
    settings = Settings(options.size, options.batch, options.width, options.blocks, options.steps, gpus)
    measurements = {count: measure(count, settings) for count in options.processes}
    first = measurements[options.processes[0]]
    rows: list[dict[str, Any]] = [
        {
            "processes": count,
            "step": measured.step,
            "faster": first.step.median / measured.step.median,
            "all-reduce": measured.reduction if count > 1 else None,
            "of the step": measured.reduction.median / measured.step.median if count > 1 else None,
            "MB sent a process": 2 * (count - 1) / count * measured.bytes / 1e6,
        }
        for count, measured in measurements.items()
    ]
    step = options.gpu_step
    model = [
        {
            "GPUs": count,
            "all-reduce, ms": 1e3
            * (communication := ring_seconds(count, first.bytes, options.bandwidth, options.latency)),
            "of what one GPU does alone": None if step is None else step / (step + communication),
        }
        for count in (8, 64)
    ]
    title = "A step in several processes, one thread each"
    report(title, rows, options.output, options=options_as_json(options), model=model)
    assumed = f"{options.bandwidth / 1e9:g} GB/s per link, {options.latency * 1e6:g} microseconds per message"
    report(f"A MODEL, not measured: a ring of GPUs with one batch each, {assumed}", model)


if __name__ == "__main__":
    main()
