"""A large image translated in tiles against the image translated whole: time, peak memory, and the difference.

    python benchmarks/tiling.py --sizes 1024 2048 --output results.json

Each row is a process of its own, which writes an image (8-bit noise on smooth shapes), loads an untrained model and
translates the file into another. Peak memory is all that the process ever held. Differences are in levels of 255,
between the written files, and between the features in [0, 1] before they are rounded.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import in_own_process, own_peak_memory, report
from PIL import Image
from translation import write_untrained_model

from cgkit.errors import DataError
from cgkit.images.reading import read_image
from cgkit.translation.files import translate_files
from cgkit.translation.translator import Translator

MORE = 400_000_000
"""Pixels that are allowed here."""

COMPARED = 1024
"""Up to how many pixels a side translations are compared before they are rounded, which takes as long again."""


def write_image(file: Path, height: int, width: int) -> None:
    """Write a lossless image that is neither flat nor the same everywhere."""
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8))
    smooth = small.resize((width, height), Image.Resampling.BICUBIC)
    values = np.array(smooth)
    for rows in np.array_split(values, max(1, height // 256)):
        noisy = rows.astype(np.int16) + random.integers(-12, 13, rows.shape, np.int16)
        rows[:] = noisy.clip(0, 255)
    Image.fromarray(values).save(file, compress_level=1)


def translate(model: Path, file: Path, output: Path, precision: str, tile: Any, method: Any) -> tuple[float, int]:
    """Return the seconds that translating one file takes, and the most memory that the process has held."""
    translator = Translator.load(model, precision=precision, tile=tile, tiling=method, max_pixels=MORE)
    start = time.perf_counter()
    for result in translate_files(translator, [file], output):
        if isinstance(result, DataError):
            raise SystemExit(str(result))
    return time.perf_counter() - start, own_peak_memory()


def exact_difference(model: Path, file: Path) -> float:
    """Return how far in [-1, 1] tiles and the whole image are apart, in float32, before anything is rounded."""
    image = read_image(file)
    whole = Translator.load(model, precision="fp32", tile="never")(image)
    tiled = Translator.load(model, precision="fp32", tile=512)(image)
    return 2 * float((whole - tiled).abs().max())


def difference(one: Path, other: Path) -> tuple[float, int]:
    """Return the mean and the greatest difference of two files, in levels."""
    first, second = (np.asarray(Image.open(file), np.int16) for file in (one, other))
    apart = np.abs(first - second)
    return float(apart.mean()), int(apart.max())


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["1024", "2048"], help="pixels a side, or WIDTHxHEIGHT")
    parser.add_argument("--methods", nargs="+", default=["whole", "exact", "thumbnail", "independent"])
    parser.add_argument("--whole-up-to", type=int, default=2048, help="longest side that is translated whole")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--width", type=int, default=64, help="of the generator")
    parser.add_argument("--blocks", type=int, default=9, help="residual blocks")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = MORE
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_untrained_model(folder / "model", 256, options.width, options.blocks)
        for size in options.sizes:
            width, _, height = size.partition("x")
            rows += measured(folder, int(height or width), int(width), options)
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
    report("A large image", rows, options.output, options=settings, threads=torch.get_num_threads())


def measured(folder: Path, height: int, width: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each method on one image."""
    file = folder / f"{width}x{height}.png"
    in_own_process(write_image, file, height, width)
    methods = [one for one in options.methods if one != "whole" or max(height, width) <= options.whole_up_to]
    rows, reference = [], folder / methods[0] / file.name
    for method in methods:
        tile, tiling = ("never", "exact") if method == "whole" else ("auto", method)
        if max(height, width) <= 1024 and method != "whole":
            tile = 512  # by itself, cgkit would translate it whole
        arguments = (folder / "model", file, folder / method, options.precision, tile, tiling)
        seconds, memory = in_own_process(translate, *arguments)
        compared = method != methods[0]
        mean, most = difference(reference, folder / method / file.name) if compared else (None, None)
        exact = compared and method == "exact" and options.precision == "fp32" and max(height, width) <= COMPARED
        rows.append(
            {
                "image": f"{width}x{height}",
                "method": method,
                "seconds": seconds,
                "peak memory, GB": memory / 1e9,
                f"levels from {methods[0]}, mean": mean,
                f"levels from {methods[0]}, most": most,
                "of [-1, 1], most": in_own_process(exact_difference, folder / "model", file) if exact else None,
            }
        )
        print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    main()
