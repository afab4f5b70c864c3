"""What a run says before its first step."""

from __future__ import annotations

import torch

from cgkit.data.inspection import Inspection
from cgkit.runs.context import RunContext
from cgkit.runs.run import Run


def header(context: RunContext, run: Run, images: dict[str, Inspection]) -> tuple[str, dict[str, str]]:
    """Return a title for a run, and facts by label.

    Args:
        context: the surroundings of the run.
        run: the run.
        images: the inspections of the training images, by domain.
    """
    spec, source, folder = context.spec, context.assembly.source, context.folder.path
    facts = {"device": _describe_device(context.device, run.trainer.precision.name)}
    names = spec.data.names or ("", "")
    for side, name, train, test in zip("ab", names, source.train(), source.test(), strict=True):
        count = f"{_count(len(train), 'image')}, {images[side].describe()}; {len(test)} to test"
        facts[f"domain {side}"] = f"{name}: {count}" if name else count
    height, width = spec.data.size
    epochs = run.progress.epochs
    length = f"{_count(run.steps, 'step')} of batch {spec.train.batch}"
    facts["training"] = f"{length}, {_count(epochs, 'epoch')}, at {width}x{height} pixels"
    facts["pictures"] = f"{folder / 'samples'}, the first after one step"
    facts["report"] = f"{folder / 'report.html'}, which renews itself in a browser"
    facts["stop"] = "with Ctrl-C; the same command continues"
    return f"{spec.name}, in {folder}", facts


def _describe_device(device: torch.device, precision: str) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {precision}"
    return f"{device.type}, {_count(torch.get_num_threads(), 'thread')}, {precision}"


def _count(number: float, noun: str) -> str:
    """Return a number with a noun: `1 image`, `1,200 images`, `1.5 epochs`."""
    return f"{round(number, 1):,g} {noun}{'s' * (number != 1)}" if number < 1e5 else f"{number:,.0f} {noun}s"
