"""One training step: cgkit's against a plain one, for image sizes, batches and precisions.

    python benchmarks/training_step.py --sizes 64 128 256 --batches 1

Both train a ResNet with the identity loss, least squares and Adam. Each has a process of its own, and the processes
take turns: a step of each, again and again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from measuring import Measured, in_own_process, in_turns, matrix_product_rate, report
from plain_cyclegan import PlainCycleGAN
from torch.utils.flop_counter import FlopCounterMode

from cgkit.data.loading import Batch
from cgkit.engine.assembly import assemble
from cgkit.engine.precision import Precision
from cgkit.engine.trainer import Trainer
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec

KINDS = ("auto", "fast", "balanced", "low", "compiled")


@dataclass(frozen=True)
class Case:
    """What is measured.

    Attributes:
        kind: `plain`, or how cgkit is set up: what `train.memory` is, or `compiled`.
        precision: `fp32` or `bf16`.
        size: pixels a side.
        batch: images of each domain.
        width: of the generator and the discriminator.
        blocks: residual blocks.
    """

    kind: str
    precision: str
    size: int
    batch: int
    width: int
    blocks: int


def prepare(case: Case) -> tuple[Callable[[], object], int]:
    """Return a step on random images, done once; and of the plain step its multiply-adds, times two.

    They are what has to be computed, not what is.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    images = torch.rand(2, case.batch, 3, case.size, case.size) * 2 - 1
    step = (plain if case.kind == "plain" else assembled)(case, images, device)
    # The first step makes what is made once, such as Adam's averages.
    with FlopCounterMode(display=False) if case.kind == "plain" else nullcontext() as counter:
        step()
    return step, counter.get_total_flops() if counter else 0


def plain(case: Case, images: torch.Tensor, device: torch.device) -> Callable[[], object]:
    """Return the step that everything else is compared with."""
    model = PlainCycleGAN(width=case.width, blocks=case.blocks, device=device.type)
    real_a, real_b = images.to(device)
    return lambda: model.step(real_a, real_b)


def assembled(case: Case, images: torch.Tensor, device: torch.device) -> Callable[[], object]:
    """Return cgkit's step, as a spec describes it."""
    plugins = load_plugins(installed=False)
    network = {"width": case.width}
    settings = {
        "data": {"source": "seasons", "size": case.size},
        "generator": {"name": "resnet", "blocks": case.blocks, **network},
        "discriminator": {"name": "patch", **network},
        "adversarial_loss": {"name": "least-squares"},
        "train": {"steps": 1000, "batch": case.batch, "memory": "auto" if case.kind == "compiled" else case.kind},
        "augmentation": [],
    }
    spec = resolve_spec(settings, plugins)
    built = assemble(spec, plugins)
    trainer = Trainer(
        built.model,
        built.objective,
        built.schedule,
        spec.train,
        steps=1000,
        epoch_steps=1000,
        seed=0,
        precision=Precision(case.precision, device),
    )
    names = ("",) * case.batch
    batches = [Batch(*images, names, names)]
    if case.kind == "compiled":
        trainer.compile(batches)
    # A run reads the losses at every tenth step; reading them at each is not flattering.
    return lambda: [float(loss) for loss in trainer.step(batches).values()]


def compared(kind: str, precision: str, measured: Measured, baseline: Measured, peak: float) -> dict[str, Any]:
    """Return a row of the table."""
    return {
        "step": f"{kind}, {precision}",
        "time": measured.timing,
        "faster": baseline.timing.median / measured.timing.median,
        "memory, GB": measured.memory / 1e9,
        "of the plain step's": measured.memory / baseline.memory,
        "share of peak": baseline.about / measured.timing.median / peak,
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256], help="pixels a side")
    parser.add_argument("--batches", type=int, nargs="+", default=[1], help="images of each domain")
    parser.add_argument("--kinds", nargs="+", default=["auto", "low"], choices=KINDS)
    parser.add_argument("--precisions", nargs="+", default=["bf16", "fp32"], choices=["bf16", "fp32"])
    parser.add_argument("--width", type=int, default=64, help="of the generators and discriminators")
    parser.add_argument("--blocks", type=int, default=9, help="residual blocks")
    parser.add_argument("--seconds", type=float, default=10, help="how long to repeat each step, at least")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    peaks = {precision: in_own_process(matrix_product_rate, precision) for precision in {"fp32", *options.precisions}}
    rows: list[dict[str, Any]] = []
    for size in options.sizes:
        for batch in options.batches:
            shape = (size, batch, options.width, options.blocks)
            cases = [Case("plain", "fp32", *shape)]
            cases += [Case(kind, precision, *shape) for precision in options.precisions for kind in options.kinds]
            measured = in_turns(prepare, cases, seconds=options.seconds)
            for case, one in zip(cases, measured, strict=True):
                about = {"size": size, "batch": batch}
                ratios = compared(case.kind, case.precision, one, measured[0], peaks[case.precision])
                rows.append({**about, **ratios})
    report("One training step", rows, options.output, peak_flops=peaks, options=_plain(options))


def _plain(options: argparse.Namespace) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}


if __name__ == "__main__":
    main()
