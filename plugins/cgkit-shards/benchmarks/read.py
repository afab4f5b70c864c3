"""Compare the speed and the import time of cgkit-shards, wids and litdata when reading images by index.

    python benchmarks/read.py [--images 4000] [--bytes 30000] [--folder FOLDER]

Libraries that are not installed are skipped. The images are random bytes, since nothing is decoded. All reads come from
the page cache of a local disk, so that only the overhead of the libraries is compared.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from cgkit_shards.cache import ShardReader
from cgkit_shards.download import Download
from cgkit_shards.images import ShardedImages
from cgkit_shards.index import read_index
from cgkit_shards.writing import write_shards

Read = Callable[[int], bytes]
SHARD = 8_000_000


def files(folder: Path) -> Sequence[Path]:
    return sorted(folder.rglob("*.png"))


def plain_files(images: Path, work: Path) -> Read:
    names = files(images)
    return lambda index: names[index].read_bytes()


def shards(images: Path, work: Path) -> Read:
    write_shards(images, work / "shards", SHARD)
    return reading(ShardedImages(read_index(str(work / "shards")), ShardReader(), 4))


def shards_over_http(images: Path, work: Path) -> Read:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(work)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    index = read_index(f"http://127.0.0.1:{server.server_port}/shards")
    return reading(ShardedImages(index, ShardReader(work / "cache", 10**10, Download()), 4))


def reading(sharded: ShardedImages) -> Read:
    def read(index: int) -> bytes:
        encoded = sharded[index].encoded
        assert encoded is not None
        return encoded()

    return read


def wids(images: Path, work: Path) -> Read:
    from wids import ShardListDataset

    tars = [{"url": shard.url, "nsamples": shard.nsamples} for shard in read_index(str(work / "shards")).shardlist]
    with contextlib.redirect_stderr(None):
        dataset = ShardListDataset(tars, transformations=[], cache_dir=str(work / "wids"))
    return lambda index: dataset[index][".png"].getvalue()


def item(file: Path) -> bytes:
    return file.read_bytes()


def litdata(images: Path, work: Path) -> Read:
    from litdata import StreamingDataset, optimize

    with contextlib.redirect_stdout(sys.stderr):
        optimize(fn=item, inputs=files(images), output_dir=str(work / "litdata"), chunk_bytes=SHARD, num_workers=1)
    dataset = StreamingDataset(str(work / "litdata"), shuffle=False, max_cache_size="10GB")
    return lambda index: dataset[index]


def rate(read: Read, order: Sequence[int]) -> float:
    """Return the images read per second in the best of three rounds; the first round is also the warm-up."""
    rounds = []
    for _ in range(3):
        started = time.perf_counter()
        for index in order:
            read(index)
        rounds.append(len(order) / (time.perf_counter() - started))
    return max(rounds)


def import_seconds(module: str) -> float:
    code = f"import torch, numpy, time; s = time.perf_counter(); import {module}; print(time.perf_counter() - s)"
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(3)]
    return statistics.median(float(run) for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--bytes", type=int, default=30_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    count = arguments.images
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        work = Path(name)
        images = work / "images"
        images.mkdir()
        for number in range(count):
            (images / f"{number:07d}.png").write_bytes(random.bytes(arguments.bytes))
        write_shards(images, work / "order", SHARD)
        local = ShardedImages(read_index(str(work / "order")), ShardReader(), 4).order(0, 0).tolist()
        orders = {
            "in sequence": range(count),
            "in windows": local,
            "in random order": random.permutation(count).tolist(),
        }
        print(f"{count} images of {arguments.bytes} bytes; images per second")
        print(f"{'':18}" + "".join(f"{order:>17}" for order in orders) + f"{'import s':>10}")
        for make, module in (
            (plain_files, ""),
            (shards, "cgkit_shards.images"),
            (shards_over_http, ""),
            (wids, "wids"),
            (litdata, "litdata"),
        ):
            try:
                read = make(images, work)
            except ImportError:
                print(f"{make.__name__:18} is not installed")
                continue
            assert len({len(read(index)) for index in range(0, count, 97)}) == 1
            rates = "".join(f"{rate(read, order):>17.0f}" for order in orders.values())
            seconds = f"{import_seconds(module):>10.2f}" if module else ""
            print(f"{make.__name__:18}{rates}{seconds}", flush=True)
    for package in ("wids", "webdataset", "litdata", "fsspec", "filelock"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            print(package, importlib.metadata.version(package))
    os._exit(0)  # exit without waiting for the threads of litdata


if __name__ == "__main__":
    main()
