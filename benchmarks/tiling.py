"""Translating a large image in tiles, compared with translating it whole: time, peak memory, and differences.

    python benchmarks/tiling.py --sizes 1024 2048 --output results.json

Each row is measured in its own process, which loads an untrained model and translates an image file (8-bit noise on
smooth shapes) to another file. Peak memory is that of the whole process. Differences between the written files are in
8-bit levels; differences before rounding to these levels are between values in [-1, 1].
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import in_own_process, options_as_json, own_peak_memory, report
from PIL import Image
from translation import write_untrained_model

from cgkit.errors import DataError
from cgkit.images.reading import read_image
from cgkit.translation.files import translate_files
from cgkit.translation.translator import Translator

MAX_PIXELS = 400_000_000
"""Images of up to this many pixels are accepted."""

LARGEST_COMPARED = 1024
"""Images with sides of up to this many pixels are translated again, to compare translations before rounding."""


def write_image(file: Path, height: int, width: int) -> None:
    """Write a lossless image with smooth shapes and noise."""
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8))
    smooth = small.resize((width, height), Image.Resampling.BICUBIC)
    values = np.array(smooth)
    for rows in np.array_split(values, max(1, height // 256)):
        noisy = rows.astype(np.int16) + random.integers(-12, 13, rows.shape, np.int16)
        rows[:] = noisy.clip(0, 255)
    Image.fromarray(values).save(file, compress_level=1)


def translate(model: Path, file: Path, output: Path, precision: str, tile: Any, method: Any) -> tuple[float, int]:
    """Translate one file; return the seconds and the peak memory of the process."""
    translator = Translator.load(model, precision=precision, tile=tile, tiling=method, max_pixels=MAX_PIXELS)
    start = time.perf_counter()
    for result in translate_files(translator, [file], output):
        if isinstance(result, DataError):
            raise SystemExit(str(result))
    return time.perf_counter() - start, own_peak_memory()


def exact_difference(model: Path, file: Path) -> float:
    """Return the largest difference, before rounding, between float32 values of the tiled and whole translation."""
    image = read_image(file)
    whole = Translator.load(model, precision="fp32", tile="never")(image)
    tiled = Translator.load(model, precision="fp32", tile=512)(image)
    return 2 * float((whole - tiled).abs().max())


def difference(file: Path, other: Path) -> tuple[float, int]:
    """Return the mean and the largest difference between two image files, in 8-bit levels."""
    first, second = (np.asarray(Image.open(path), np.int16) for path in (file, other))
    differences = np.abs(first - second)
    return float(differences.mean()), int(differences.max())


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["1024", "2048"], help="side in pixels, or WIDTHxHEIGHT")
    parser.add_argument("--methods", nargs="+", default=["whole", "exact", "thumbnail", "independent"])
    parser.add_argument(
        "--whole-up-to", type=int, default=2048, help="longest side at which the image is also translated whole"
    )
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--width", type=int, default=64, help="width of the generator")
    parser.add_argument("--blocks", type=int, default=9, help="residual blocks")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_untrained_model(folder / "model", 256, options.width, options.blocks)
        for size in options.sizes:
            width, _, height = size.partition("x")
            rows += measure(folder, int(height or width), int(width), options)
    settings = options_as_json(options)
    report("A large image", rows, options.output, options=settings, threads=torch.get_num_threads())


def measure(folder: Path, height: int, width: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return one row for each method, for one image size."""
    file = folder / f"{width}x{height}.png"
    in_own_process(write_image, file, height, width)
    methods = [name for name in options.methods if name != "whole" or max(height, width) <= options.whole_up_to]
    rows, reference = [], folder / methods[0] / file.name
    for method in methods:
        tile, tiling = ("never", "exact") if method == "whole" else ("auto", method)
        if max(height, width) <= 1024 and method != "whole":
            tile = 512  # with "auto", cgkit would translate an image of this size whole
        arguments = (folder / "model", file, folder / method, options.precision, tile, tiling)
        seconds, memory = in_own_process(translate, *arguments)
        is_reference = method == methods[0]
        mean, most = (None, None) if is_reference else difference(reference, folder / method / file.name)
        exact = not is_reference and method == "exact" and options.precision == "fp32"
        exact = exact and max(height, width) <= LARGEST_COMPARED
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
