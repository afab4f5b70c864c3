"""Several processes that train one model: a step's time at an equal batch in all, and what they tell each other.

    python benchmarks/scaling.py --processes 1 2

On a CPU every process has one thread, also where there is one process, and they speak through gloo; with several GPUs
each has its own, and they speak through NCCL, which has not been tried. The all-reduce is timed as a step does it,
with the copies into and out of its one buffer. What follows for 8 and 64 GPUs is a model and says so.
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
from measuring import Timing, report, timing_of

from cgkit.data.loading import Batch
from cgkit.engine.assembly import assemble
from cgkit.engine.distributed import join
from cgkit.engine.precision import Precision
from cgkit.engine.trainer import Trainer
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec


@dataclass(frozen=True)
class Settings:
    """What is trained, and where: `batch` is of all processes together, `steps` are timed."""

    size: int
    batch: int
    width: int
    blocks: int
    steps: int
    gpus: bool


@dataclass(frozen=True)
class Measured:
    """What the first process saw: a step, the all-reduce of a step by itself, and how many bytes that reduces."""

    step: Timing
    reduction: Timing
    bytes: int


def measured(count: int, settings: Settings) -> Measured:
    """Train in that many processes; one that fails ends the others."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    results: Any = multiprocessing.get_context("spawn").SimpleQueue()
    multiprocessing.spawn(_train, (count, port, settings, results), nprocs=count)  # type: ignore[attr-defined,no-untyped-call]
    found: Measured = results.get()
    return found


def _train(rank: int, count: int, port: int, settings: Settings, results: Any) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    torch.set_num_threads(1)
    device = torch.device("cuda", rank) if settings.gpus else torch.device("cpu")
    plugins = load_plugins(installed=False)
    values = {
        "data": {"source": "seasons", "size": settings.size},
        "generator": {"name": "resnet", "width": settings.width, "blocks": settings.blocks},
        "discriminator": {"name": "patch", "width": settings.width},
        "train": {"steps": 1000, "batch": settings.batch},
        "augmentation": [],
    }
    spec = resolve_spec(values, plugins)
    built = assemble(spec, plugins)
    share = settings.batch // count
    images = torch.rand(2, share, 3, settings.size, settings.size) * 2 - 1
    batches = [Batch(*images, ("",) * share, ("",) * share)]
    with join(device) as processes:
        trainer = Trainer(
            built.model,
            built.objective,
            built.schedule,
            spec.train,
            steps=1000,
            epoch_steps=1000,
            seed=0,
            precision=Precision("fp32", device),
            processes=processes,
        )
        # A step reduces every gradient, and with them a few numbers.
        gradients = [torch.rand_like(parameter) for parameter in trainer.model.parameters()]

        def step() -> None:
            [float(loss) for loss in trainer.step(batches).values()]

        def reduce() -> None:
            processes.average(gradients)
            float(gradients[0].flatten()[0])

        taken: list[Timing] = []
        for action in (step, reduce):
            action()
            durations = []
            for _ in range(settings.steps):
                processes.wait_for_all()
                start = time.perf_counter()
                action()
                durations.append(time.perf_counter() - start)
            taken.append(timing_of(durations))
        if processes.is_first:
            size = sum(gradient.numel() * gradient.element_size() for gradient in gradients)
            results.put(Measured(taken[0], taken[1], size))
        processes.wait_for_all()


def ring_seconds(count: int, size: int, bandwidth: float, latency: float) -> float:
    """Return what a ring all-reduce of `size` bytes takes: 2(n-1) messages, 2(n-1)/n of the bytes through each link."""
    return 2 * (count - 1) * (latency + size / count / bandwidth)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2], help="how many; the first is compared with")
    parser.add_argument("--size", type=int, default=64, help="pixels a side")
    parser.add_argument("--batch", type=int, default=2, help="images of each domain a step, in all processes together")
    parser.add_argument("--width", type=int, default=64, help="of the networks")
    parser.add_argument("--blocks", type=int, default=9, help="residual blocks")
    parser.add_argument("--steps", type=int, default=5, help="how many are timed")
    parser.add_argument("--gpu-step", type=float, help="the model: seconds of a step on one GPU, measured elsewhere")
    # One port of NDR InfiniBand is nominally 400 Gbit/s, one way; 5 microseconds a message is an assumption.
    parser.add_argument("--bandwidth", type=float, default=50e9, help="the model: bytes a second of a link")
    parser.add_argument("--latency", type=float, default=5e-6, help="the model: seconds of a message")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    if uneven := [count for count in options.processes if count < 1 or options.batch % count]:
        parser.error(f"a batch of {options.batch} cannot be shared out evenly to {uneven[0]} processes")
    # Either all are on GPUs or none is: one process on a GPU and two on a CPU could not be compared.
    gpus = torch.cuda.device_count() >= max(options.processes)
    settings = Settings(options.size, options.batch, options.width, options.blocks, options.steps, gpus)
    found = {count: measured(count, settings) for count in options.processes}
    first = found[options.processes[0]]
    rows: list[dict[str, Any]] = [
        {
            "processes": count,
            "step": one.step,
            "faster": first.step.median / one.step.median,
            "all-reduce": one.reduction if count > 1 else None,
            "of the step": one.reduction.median / one.step.median if count > 1 else None,
            "MB sent a process": 2 * (count - 1) / count * one.bytes / 1e6,
        }
        for count, one in found.items()
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
    plain = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
    report("A step in several processes, one thread each", rows, options.output, options=plain, model=model)
    assumed = f"{options.bandwidth / 1e9:g} GB/s a link, {options.latency * 1e6:g} microseconds a message"
    report(f"A MODEL, not measured: a ring of GPUs, one batch each, {assumed}", model)


if __name__ == "__main__":
    main()
