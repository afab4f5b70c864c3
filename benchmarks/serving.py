"""Many clients of `cgkit serve` at the same time, compared with one: translations, lost answers, and memory over time.

python benchmarks/serving.py --clients 50 --minutes 5
"""

from __future__ import annotations

import argparse
import http.client
import io
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from measuring import report
from PIL import Image

TINY = """
[data]
source = "seasons"
size = 64
train = 8
test = 2

[generator]
name = "resnet"
width = {width}
blocks = {blocks}

[train]
steps = 1

[samples]
count = 1

[evaluation]
count = 1
"""


class Client(threading.Thread):
    """Translates one image after the other until the time is up; asks again later if the queue is full."""

    def __init__(self, port: int, images: list[bytes], until: float) -> None:
        super().__init__()
        self._port, self._images, self._until = port, images, until
        self.seconds: list[float] = []
        self.refused = 0
        self.lost: list[str] = []

    def run(self) -> None:
        """Translate until the time is up."""
        while time.monotonic() < self._until:
            started = time.monotonic()
            try:
                status, body = self._ask(random.choice(self._images))
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                continue
            if status == 429:
                self.refused += 1
                time.sleep(1)
            elif status == 200 and body.startswith(b"\x89PNG"):
                self.seconds.append(time.monotonic() - started)
            else:
                self.lost.append(f"{status} {body[:200]!r}")

    def _ask(self, image: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=300)
        try:
            connection.request("POST", "/api/runs/run/translate", image)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=50, help="number of clients")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long they ask")
    parser.add_argument("--width", type=int, default=16, help="width of the generator")
    parser.add_argument("--blocks", type=int, default=2, help="blocks of the generator")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128, 256], help="sides of the images in pixels")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    images = [_draw(side) for side in options.sides]
    with tempfile.TemporaryDirectory() as folder, _serving(Path(folder), options) as (server, port):
        Client(port, images, time.monotonic() + 0.1).run()  # starts the worker
        seconds = 60 * options.minutes
        alone, lost = _measure(server, port, images, 1, min(seconds, 30.0))
        many, more_lost = _measure(server, port, images, options.clients, seconds)
    rows = [{**row, "faster": row["a second"] / alone["a second"]} for row in (alone, many)]
    report("Clients of cgkit serve", rows, options.output, lost=lost + more_lost)
    if lost or more_lost:
        sys.exit("answers were lost")


@contextmanager
def _serving(folder: Path, options: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """Train a model for a step, and serve it; return the process and the port."""
    spec = folder / "spec.toml"
    spec.write_text(TINY.format(width=options.width, blocks=options.blocks))
    command = [sys.executable, "-m", "cgkit"]
    subprocess.run([*command, "run", str(spec), "--output", str(folder / "run")], check=True, capture_output=True)
    serve = [*command, "serve", str(folder / "run"), "--port", "0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.pid, int(urlsplit(server.stdout.readline().strip()).port or 0)
        finally:
            server.send_signal(signal.SIGINT)


def _measure(
    server: int, port: int, images: list[bytes], count: int, seconds: float
) -> tuple[dict[str, Any], list[str]]:
    """Return the figures of some clients that ask for some seconds, and what was lost."""
    until = time.monotonic() + seconds
    clients = [Client(port, images, until) for _ in range(count)]
    for client in clients:
        client.start()
    memory = []
    while time.monotonic() < until:
        memory.append(_memory(server))
        time.sleep(min(5.0, seconds / 4))
    for client in clients:
        client.join()
    waits = sorted(wait for client in clients for wait in client.seconds)
    quarter = max(1, len(memory) // 4)
    lost = [text for client in clients for text in client.lost]
    return {
        "clients": count,
        "minutes": seconds / 60,
        "translations": len(waits),
        "lost": len(lost),
        "queue full": sum(client.refused for client in clients),
        "a second": len(waits) / seconds,
        "median wait, s": statistics.median(waits),
        "95 % within, s": waits[int(0.95 * (len(waits) - 1))],
        "memory at first, MB": statistics.mean(memory[:quarter]),
        "memory at last, MB": statistics.mean(memory[-quarter:]),
    }, lost


def _draw(side: int) -> bytes:
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def _memory(process: int) -> float:
    """Return the MB that a process and its children occupy, without what they share with others (only on Linux)."""
    children = Path(f"/proc/{process}/task/{process}/children")
    if not children.exists():
        return float("nan")
    total = 0
    for number in (process, *map(int, children.read_text().split())):
        for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_"):
                total += int(line.split()[1])
    return total * 1024 / 1e6


if __name__ == "__main__":
    main()
