"""Throughput of the loader, from JPEG files to batches, compared with a plain loader and with a training step.

    python benchmarks/data.py --workers 0 1 2

Each image is resized to 286 x 286, cropped to 256 x 256 at random, and flipped half of the time, as published. Files
that are 286 x 286 need no resizing; files that are 256 x 256 show the cost of resizing. The plain loader is torch's
`DataLoader` with a `Dataset` that reads files with Pillow, and has one image pair per batch.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import Timing, in_own_process, in_turns, options_as_json, report, timing_of
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from training_step import Case, prepare
from translation import write_images

from cgkit.data.loading import UnpairedImages, training_batches
from cgkit.data.pixel_formats import pixel_formats
from cgkit.data.sampling import StepBatches
from cgkit.engine.assembly import assemble
from cgkit.engine.precision import choose_device, choose_precision
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec


class PlainImages(Dataset[tuple[Tensor, Tensor]]):
    """Unpaired images of two domains, prepared as in the published code."""

    def __init__(self, folder_a: Path, folder_b: Path, size: int, larger: int) -> None:
        self._a, self._b = (sorted(folder.iterdir()) for folder in (folder_a, folder_b))
        self._size, self._larger = size, larger

    def __len__(self) -> int:
        return len(self._a)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self._prepare(self._a[index]), self._prepare(random.choice(self._b))

    def _prepare(self, file: Path) -> Tensor:
        with Image.open(file) as opened:
            image = opened.convert("RGB").resize((self._larger, self._larger), Image.Resampling.BICUBIC)
        left, above = (random.randint(0, self._larger - self._size) for _ in range(2))
        image = image.crop((left, above, left + self._size, above + self._size))
        if random.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div_(127.5).sub_(1)


def time_plain_loader(folder: Path, size: int, workers: int, pairs: int) -> Timing:
    """Return the time per image pair of the plain loader."""
    torch.set_num_threads(1)
    images = PlainImages(folder / "a", folder / "b", size, round(size * 286 / 256))
    sampler = torch.utils.data.RandomSampler(images, replacement=True, num_samples=pairs + 1)
    return time_per_pair(DataLoader(images, 1, sampler=sampler, num_workers=workers), pairs)


def time_cgkit_loader(folder: Path, size: int, workers: int, pairs: int) -> Timing:
    """Return the time per image pair of cgkit's loader."""
    torch.set_num_threads(1)
    plugins = load_plugins(installed=False)
    spec = resolve_spec(
        {
            "data": {"source": "folder", "a": str(folder / "a"), "b": str(folder / "b"), "size": size},
            "augmentation": [{"name": "resize-and-crop"}, {"name": "flip"}],
            "generator": {"width": 4, "blocks": 1},
        },
        plugins,
    )
    built = assemble(spec, plugins)
    images = UnpairedImages(built.source.train(), pixel_formats(spec.data), built.preparations, seed=0)
    return time_per_pair(training_batches(images, StepBatches(0, pairs + 1, 1, 1), workers=workers), pairs)


def time_per_pair(batches: Iterable[object], pairs: int) -> Timing:
    """Return the median time per image pair over ten or more stretches of equal length, excluding the first pair."""
    iterator = iter(batches)
    next(iterator)
    length = max(1, pairs // 10)
    durations = []
    for _ in range(pairs // length):
        start = time.perf_counter()
        for _ in islice(iterator, length):
            pass
        durations.append((time.perf_counter() - start) / length)
    return timing_of(durations)


def compare(pair: Timing, baseline: Timing, step: Timing) -> dict[str, float]:
    """Return a loader's rate, and its speed relative to the plain loader and to training steps on one pair each."""
    return {
        "images a second": 2 / pair.median,
        "faster": baseline.median / pair.median,
        "times what a step takes": step.median / pair.median,
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="side of a training image in pixels")
    parser.add_argument("--files", type=int, nargs="+", default=[286, 256], help="side of the JPEG files in pixels")
    parser.add_argument("--pairs", type=int, default=400, help="number of image pairs to load")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="numbers of worker processes")
    parser.add_argument("--width", type=int, default=64, help="width of the networks in the training step")
    parser.add_argument("--blocks", type=int, default=9, help="residual blocks of the generators in the training step")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    precision = choose_precision("auto", choose_device()).name
    case = Case("auto", precision, options.size, 1, options.width, options.blocks)
    step = in_turns(prepare, [case], seconds=3.0)[0].timing
    consumed = 2 / step.median
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        for pixels in options.files:
            folder = Path(temporary) / str(pixels)
            folder.mkdir()
            for side in "ab":
                write_images(folder / side, 64, pixels)
            for workers in options.workers:
                arguments = (folder, options.size, workers, options.pairs)
                baseline = in_own_process(time_plain_loader, *arguments)
                ours = in_own_process(time_cgkit_loader, *arguments)
                for name, pair in (("usual loader", baseline), ("cgkit", ours)):
                    row = {"files": pixels, "loader": name, "workers": workers, "a pair": pair}
                    rows.append({**row, **compare(pair, baseline, step)})
    title = f"From JPEG files to batches; a step in {precision} consumes {consumed:.3g} images per second"
    report(title, rows, options.output, options=options_as_json(options), consumed=consumed)


if __name__ == "__main__":
    main()
