"""Measure how long a large slide takes, and how much memory.

python benchmarks/slide.py [RUN] [--side 20000] [options of cgkit translate]

Without RUN, a tiny generator is trained for one step first. The slide is made here, in tiles of JPEG, as Aperio does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray

SPEC = """
name = "tiny"

[data]
source = "folder"
a = "a"
b = "b"
size = 32
workers = 1

[generator]
name = "resnet"
width = 4
blocks = 1

[discriminator]
name = "patch"
width = 4
layers = 1

[train]
steps = 1

[samples]
count = 1
"""

TRANSLATE = """
import resource, sys
import torch
torch.set_num_threads(1)
from cgkit.cli import main
try:
    main(["translate", *sys.argv[1:]])
except SystemExit as stop:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    raise
"""

TILE = 512


def draw_tile(row: int, column: int) -> NDArray[np.uint8]:
    """Return a tile with pink and violet spots on white."""
    across = np.sin((np.arange(TILE) + column * TILE) / 40)[None, :, None]
    down = np.sin((np.arange(TILE) + row * TILE) / 55)[:, None, None]
    tissue = (across * down > 0.2) * np.array([60.0, 120.0, 50.0])
    noise = np.random.default_rng([row, column]).integers(0, 12, (TILE, TILE, 3))
    return (240 - tissue - noise).astype(np.uint8)


def write_slide(path: Path, side: int) -> None:
    """Write a slide in tiles."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = -(-side // TILE)

    def tiles() -> Iterator[NDArray[np.uint8]]:
        for row in range(count):
            for column in range(count):
                yield draw_tile(row, column)

    with tifffile.TiffWriter(path, bigtiff=True) as writer:
        writer.write(
            tiles(),
            shape=(side, side, 3),
            dtype="uint8",
            tile=(TILE, TILE),
            photometric="rgb",
            compression="jpeg",
            description="Aperio Image Library|AppMag = 20|MPP = 0.5",
            metadata=None,
        )


def train(folder: Path) -> Path:
    """Train the tiny generator for one step."""
    for domain in ("a", "b"):
        (folder / domain).mkdir()
        for number in range(2):
            tifffile.imwrite(folder / domain / f"{number}.tif", draw_tile(number, 0)[:64, :64], photometric="rgb")
    (folder / "spec.toml").write_text(SPEC)
    subprocess.run([sys.executable, "-m", "cgkit", "run", "spec.toml", "--output", "run"], cwd=folder, check=True)
    return folder / "run"


def main() -> None:
    """Print the minutes and the gigabytes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("--side", type=int, default=20_000)
    arguments, others = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run = arguments.run or train(folder)
        write_slide(folder / "in" / "slide.svs", arguments.side)
        print(f"slide of {(folder / 'in' / 'slide.svs').stat().st_size / 1e9:.2f} GB", flush=True)
        start = time.perf_counter()
        command = [sys.executable, "-c", TRANSLATE, run, folder / "in", "--output", folder / "out", *others]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        minutes = (time.perf_counter() - start) / 60
        peak = int(done.stdout.splitlines()[-1]) * 1024 / 1e9
        written = (folder / "out" / "slide.ome.tif").stat().st_size / 1e9
        print(f"{minutes:.1f} minutes, peak memory {peak:.2f} GB, translation of {written:.2f} GB")


if __name__ == "__main__":
    main()
