"""Measure how long a large scene takes, and how much memory.

python benchmarks/scene.py [RUN] [--side 20000] [options of cgkit translate]

Without RUN, a tiny generator is trained for one step first. The scene is made here: smooth colours with noise, in a
folder of its own, next to it the translation.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio

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


def write_scene(path: Path, side: int) -> None:
    """Write a scene in tiles, without values in its upper left corner."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8", "nodata": 0}
    tiles = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate", "photometric": "RGB"}
    noise = np.random.default_rng(0).integers(0, 8, (3, 512, side), dtype=np.uint8)
    across = (np.sin(np.arange(side) / 90) * 90 + 110).astype(np.uint8)
    place = {"crs": "EPSG:32631", "transform": rasterio.Affine(10, 0, 600_000, 0, -10, 5_700_000)}
    with rasterio.open(path, "w", bigtiff="IF_SAFER", zlevel=1, **options, **tiles, **place) as scene:
        for top in range(0, side, 512):
            rows = min(512, side - top)
            strip = across + noise[:, :rows] + np.uint8(20 * np.sin(top / 900) + 20)
            strip[:, :, : max(0, side // 4 - top)] = 0
            scene.write(strip, window=((top, top + rows), (0, side)))


def train(folder: Path) -> Path:
    """Train the tiny generator for one step."""
    for domain in ("a", "b"):
        write_scene(folder / domain / "x.tif", 64)
        write_scene(folder / domain / "y.tif", 64)
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
        write_scene(folder / "in" / "scene.tif", arguments.side)
        print(f"scene of {(folder / 'in' / 'scene.tif').stat().st_size / 1e9:.2f} GB", flush=True)
        start = time.perf_counter()
        command = [sys.executable, "-c", TRANSLATE, run, folder / "in", "--output", folder / "out", *others]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        minutes = (time.perf_counter() - start) / 60
        peak = int(done.stdout.splitlines()[-1]) * 1024 / 1e9
        written = (folder / "out" / "scene.tif").stat().st_size / 1e9
        print(f"{minutes:.1f} minutes, peak memory {peak:.2f} GB, translation of {written:.2f} GB")


if __name__ == "__main__":
    main()
