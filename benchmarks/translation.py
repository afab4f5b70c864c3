"""A folder of images translated: the whole command, files in to files out, against a plain loop over the generator.

    python benchmarks/translation.py --size 256 --images 16 --batches 1 4

The command's time is what a folder takes beyond what one image takes, which is start-up. The plain loop is Pillow,
an eager float32 generator as published and Pillow again, an image at a time; only the loop is timed.
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
from measuring import in_own_process, own_peak_memory, report
from PIL import Image
from plain_cyclegan import plain_generator

from cgkit.engine.assembly import assemble
from cgkit.models.folder import write_model
from cgkit.models.info import ModelInfo
from cgkit.plugins import load_plugins
from cgkit.spec import resolve_spec
from cgkit.spec.providers import providers_used


def write_images(folder: Path, count: int, size: int) -> None:
    """Write JPEG files that compress as photographs do: smooth shapes with a little noise."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        small = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8)).resize(
            (size, size), Image.Resampling.BICUBIC
        )
        noisy = np.asarray(small, np.int16) + random.integers(-8, 9, (size, size, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:06}.jpg", quality=90)


def write_untrained_model(folder: Path, size: int, width: int, blocks: int) -> None:
    """Write a model as a run leaves it; what its weights are makes no difference to its speed."""
    plugins = load_plugins(installed=False)
    generator = {"name": "resnet", "width": width, "blocks": blocks}
    spec = resolve_spec({"data": {"source": "seasons", "size": size}, "generator": generator}, plugins)
    write_model(
        folder, assemble(spec, plugins).model.generators, ModelInfo(spec, 0, False), providers_used(spec, plugins)
    )


def plain_loop(inputs: Path, output: Path, width: int, blocks: int) -> tuple[float, int]:
    """Return the seconds of translating each image the plain way, and the peak memory."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    generator = plain_generator(width, blocks).to(device).eval()
    output.mkdir()
    files = sorted(inputs.iterdir())

    def translate(file: Path) -> None:
        pixels = torch.from_numpy(np.array(Image.open(file).convert("RGB"))).permute(2, 0, 1).float()
        with torch.no_grad():
            made = generator((pixels / 127.5 - 1)[None].to(device))[0].cpu()
        levels = ((made + 1) * 127.5).permute(1, 2, 0).numpy().astype(np.uint8)
        Image.fromarray(levels).save(output / file.name, quality=95, subsampling=0)

    translate(files[0])  # what is done once
    start = time.perf_counter()
    for file in files:
        translate(file)
    return time.perf_counter() - start, own_peak_memory()


def command(model: Path, inputs: Path, output: Path, batch: int, precision: str) -> tuple[float, int]:
    """Return the seconds and the peak memory of `cgkit translate` in a process of its own."""
    options = ["--output", output, "--batch", batch, "--precision", precision]
    arguments = [sys.executable, "-m", "cgkit", "translate", model, inputs, *options]
    start = time.perf_counter()
    process = subprocess.Popen([str(one) for one in arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    told = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit(told)
    return seconds, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="pixels a side")
    parser.add_argument("--images", type=int, default=16, help="how many")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="images translated at once")
    parser.add_argument("--precisions", nargs="+", default=["bf16", "fp32"], choices=["bf16", "fp32"])
    parser.add_argument("--width", type=int, default=64, help="of the generator")
    parser.add_argument("--blocks", type=int, default=9, help="residual blocks")
    parser.add_argument("--repetitions", type=int, default=3, help="of each command; the median counts")
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_images(folder / "images", options.images, options.size)
        write_images(folder / "one", 1, options.size)
        write_untrained_model(folder / "model", options.size, options.width, options.blocks)
        seconds, memory = in_own_process(plain_loop, folder / "images", folder / "plain", options.width, options.blocks)
        plain = options.images / seconds
        rows: list[dict[str, Any]] = [_row("plain loop, fp32", 1, plain, plain, None, memory)]
        for precision in options.precisions:
            for batch in options.batches:
                started, whole, peaks = [], [], []
                for number in range(options.repetitions):
                    # What lies in the output already is not translated again.
                    made = folder / f"made-{precision}-{batch}-{number}"
                    started.append(command(folder / "model", folder / "one", made / "one", batch, precision)[0])
                    seconds, peak = command(folder / "model", folder / "images", made / "all", batch, precision)
                    if len(list((made / "all").glob("*.jpg"))) < options.images:
                        raise SystemExit("not every image was translated")
                    whole.append(seconds)
                    peaks.append(peak)
                # The one image of the shorter command was translated as well.
                rate = (options.images - 1) / (median(whole) - median(started))
                rows.append(_row(f"cgkit translate, {precision}", batch, rate, plain, median(started), max(peaks)))
    settings = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
    report("A folder of images", rows, options.output, options=settings)


def _row(what: str, batch: int, rate: float, plain: float, start_up: float | None, memory: int) -> dict[str, Any]:
    ratio = rate / plain
    return {
        "what": what,
        "batch": batch,
        "images a second": rate,
        "faster": ratio,
        "start-up, s": start_up,
        "peak memory, GB": memory / 1e9,
    }


if __name__ == "__main__":
    main()
