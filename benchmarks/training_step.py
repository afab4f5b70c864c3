"""A training step of cgkit compared with a step in plain PyTorch, by image size, batch size and precision.

    python benchmarks/training_step.py --sizes 64 128 256 --batches 1

Both steps train ResNet generators with Adam, and with least-squares, cycle and identity losses. Each variant has its
own process, and the processes take turns, one step at a time.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from measuring import Measured, in_own_process, in_turns, matrix_product_rate, options_as_json, report, trainer_for
from torch.utils.flop_counter import FlopCounterMode

from cgkit.data.loading import Batch
from cgkit.engine.precision import Precision

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from plain_cyclegan import CycleGAN

KINDS = ("auto", "fast", "balanced", "low", "compiled")


@dataclass(frozen=True)
class Case:
    """A variant of the training step.

    Attributes:
        kind: `plain`, `compiled`, or the value of `train.memory`.
        precision: `fp32` or `bf16`.
        size: side of an image in pixels.
        batch: number of images of each domain per step.
        width: width of the generators and discriminators.
        blocks: residual blocks of the generators.
    """

    kind: str
    precision: str
    size: int
    batch: int
    width: int
    blocks: int


def prepare(case: Case) -> tuple[Callable[[], object], int]:
    """Run a step on random images; return the step, and its FLOPs if it is the plain step, else 0.

    For every variant, `share of peak` is based on the FLOPs of the plain step, even if the variant computes more.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    images = torch.rand(2, case.batch, 3, case.size, case.size) * 2 - 1
    step = (plain_step if case.kind == "plain" else cgkit_step)(case, images, device)
    # The first step is not timed, because it allocates memory that later steps reuse, such as Adam's averages.
    with FlopCounterMode(display=False) if case.kind == "plain" else nullcontext() as counter:
        step()
    return step, counter.get_total_flops() if counter else 0


def plain_step(case: Case, images: torch.Tensor, device: torch.device) -> Callable[[], object]:
    """Return the baseline step."""
    model = CycleGAN(width=case.width, blocks=case.blocks).to(device)
    real_a, real_b = images.to(device)
    return lambda: model.step(real_a, real_b)


def cgkit_step(case: Case, images: torch.Tensor, device: torch.device) -> Callable[[], object]:
    """Return a step of cgkit, assembled from a spec."""
    networks = {"width": case.width, "blocks": case.blocks}
    memory = "auto" if case.kind == "compiled" else case.kind
    trainer = trainer_for(case.size, networks, Precision(case.precision, device), batch=case.batch, memory=memory)
    names = ("",) * case.batch
    batches = [Batch(*images, names, names)]
    if case.kind == "compiled":
        trainer.compile(trainer.model.networks(), batches)
    # Reading the losses at every step favours the baseline, because a run of cgkit reads them only every ten steps.
    return lambda: [float(loss) for loss in trainer.step(batches).values()]


def compare(kind: str, precision: str, measured: Measured, baseline: Measured, peak: float) -> dict[str, Any]:
    """Return a row of the table for a variant; `peak` is the peak performance of its precision in FLOP/s."""
    return {
        "step": f"{kind}, {precision}",
        "time": measured.timing,
        "faster": baseline.timing.median / measured.timing.median,
        "memory, GB": measured.memory / 1e9,
        "of the plain step's": measured.memory / baseline.memory,
        "share of peak": baseline.about / measured.timing.median / peak,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256], help="sides of an image in pixels")
    parser.add_argument("--batches", type=int, nargs="+", default=[1], help="images of each domain per step")
    parser.add_argument("--kinds", nargs="+", default=["auto", "low"], choices=KINDS)
    parser.add_argument("--precisions", nargs="+", default=["bf16", "fp32"], choices=["bf16", "fp32"])
    parser.add_argument("--width", type=int, default=64, help="width of the generators and discriminators")
    parser.add_argument("--blocks", type=int, default=9, help="residual blocks")
    parser.add_argument("--seconds", type=float, default=10, help="minimum total duration of each variant's steps")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    peaks = {precision: in_own_process(matrix_product_rate, precision) for precision in {"fp32", *options.precisions}}
    rows: list[dict[str, Any]] = []
    for size in options.sizes:
        for batch in options.batches:
            shape = (size, batch, options.width, options.blocks)
            cases = [Case("plain", "fp32", *shape)]
            cases += [Case(kind, precision, *shape) for precision in options.precisions for kind in options.kinds]
            measurements = in_turns(prepare, cases, seconds=options.seconds)
            for case, measured in zip(cases, measurements, strict=True):
                figures = compare(case.kind, case.precision, measured, measurements[0], peaks[case.precision])
                rows.append({"size": size, "batch": batch, **figures})
    report("One training step", rows, options.output, peak_flops=peaks, options=options_as_json(options))


if __name__ == "__main__":
    main()
