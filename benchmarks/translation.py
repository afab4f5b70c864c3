"""Translating a folder of image files: `cgkit translate` compared with a plain loop that calls the generator.

    python benchmarks/translation.py --size 256 --images 16 --batches 1 4

The time of the command is the time for the folder minus the time for a single image, so that start-up is not counted.
The plain loop reads with Pillow, runs the published generator eagerly in float32, and writes with Pillow, one image at
a time; only the loop is timed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from measuring import in_own_process, options_as_json, own_peak_memory, report
from PIL import Image

from cgkit.engine.assembly import assemble
from cgkit.models.folder import write_model
from cgkit.models.info import ModelInfo
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec
from cgkit.spec.providers import providers_used

sys.path.append(str(Path(__file__).parents[1] / "examples"))
from plain_cyclegan import generator as plain_generator


def write_images(folder: Path, count: int, size: int) -> None:
    """Write JPEG files of smooth shapes with a little noise, which compress about as well as photographs."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize(
            (size, size), Image.Resampling.BICUBIC
        )
        noisy = np.asarray(small, np.int16) + random.integers(-8, 9, (size, size, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:06}.jpg", quality=90)


def write_untrained_model(folder: Path, size: int, width: int, blocks: int) -> None:
    """Write a model folder like a run, but with random weights."""
    plugins = load_plugins(installed=False)
    network = {"name": "resnet", "width": width, "blocks": blocks}
    spec = resolve_spec({"data": {"source": "seasons", "size": size}, "generator": network}, plugins)
    generators = assemble(spec, plugins).model.generators
    write_model(folder, generators, ModelInfo(spec, 0, False), providers_used(spec, plugins))


def plain_loop(inputs: Path, output: Path, width: int, blocks: int) -> tuple[float, int]:
    """Return the seconds and the peak memory of the plain loop over all images."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = plain_generator(width, blocks).to(device).eval()
    output.mkdir()
    files = sorted(inputs.iterdir())

    def translate(file: Path) -> None:
        pixels = torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1).float()
        with torch.no_grad():
            translation = generator((pixels / 127.5 - 1)[None].to(device))[0].cpu()
        levels = ((translation + 1) * 127.5).permute(1, 2, 0).numpy().astype(np.uint8)
        Image.fromarray(levels).save(output / file.name, quality=95, subsampling=0)

    translate(files[0])  # warm-up
    start = time.perf_counter()
    for file in files:
        translate(file)
    return time.perf_counter() - start, own_peak_memory()


def command(model: Path, inputs: Path, output: Path, batch: int, precision: str) -> tuple[float, int]:
    """Return the seconds and the peak memory of a `cgkit translate` process."""
    options = ["--output", output, "--batch", batch, "--precision", precision]
    arguments = [sys.executable, "-m", "cgkit", "translate", model, inputs, *options]
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(argument) for argument in arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    errors = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(errors)
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="side of an image in pixels")
    parser.add_argument("--images", type=int, default=16, help="number of images")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="values of --batch")
    parser.add_argument("--precisions", nargs="+", default=["bf16", "fp32"], choices=["bf16", "fp32"])
    parser.add_argument("--width", type=int, default=64, help="width of the generator")
    parser.add_argument("--blocks", type=int, default=9, help="residual blocks")
    parser.add_argument(
        "--repetitions", type=int, default=3, help="repetitions of each command, of which the median is reported"
    )
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_images(folder / "images", options.images, options.size)
        write_images(folder / "one", 1, options.size)
        write_untrained_model(folder / "model", options.size, options.width, options.blocks)
        seconds, memory = in_own_process(plain_loop, folder / "images", folder / "plain", options.width, options.blocks)
        plain = options.images / seconds
        rows: list[dict[str, Any]] = [_make_row("plain loop, fp32", 1, plain, plain, None, memory)]
        for precision in options.precisions:
            for batch in options.batches:
                single, whole, peaks = [], [], []
                for number in range(options.repetitions):
                    # Each repetition has its own output folder, because cgkit skips images that are already translated.
                    output = folder / f"made-{precision}-{batch}-{number}"
                    single.append(command(folder / "model", folder / "one", output / "one", batch, precision)[0])
                    seconds, peak = command(folder / "model", folder / "images", output / "all", batch, precision)
                    if len(list((output / "all").glob("*.jpg"))) < options.images:
                        raise SystemExit("not every image was translated")
                    whole.append(seconds)
                    peaks.append(peak)
                # The difference is the time for all images of the folder but one, without start-up.
                rate = (options.images - 1) / (median(whole) - median(single))
                rows.append(_make_row(f"cgkit translate, {precision}", batch, rate, plain, median(single), max(peaks)))
    report("A folder of images", rows, options.output, options=options_as_json(options))


def _make_row(name: str, batch: int, rate: float, plain: float, start_up: float | None, memory: int) -> dict[str, Any]:
    return {
        "what": name,
        "batch": batch,
        "images a second": rate,
        "faster": rate / plain,
        "start-up, s": start_up,
        "peak memory, GB": memory / 1e9,
    }


if __name__ == "__main__":
    main()
