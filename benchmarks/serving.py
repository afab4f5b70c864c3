"""Many clients of `cgkit serve` at the same time: answers, lost answers, waiting times, and memory over time.

python benchmarks/serving.py RUN --clients 50 --minutes 5
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from measuring import report
from PIL import Image

PORT_LINE = "http://"


class Client(threading.Thread):
    """Translates images until the time is up; asks again later if the queue is full."""

    def __init__(self, port: int, path: str, images: list[bytes], until: float) -> None:
        super().__init__()
        self.port, self.path, self.images, self.until = port, path, images, until
        self.seconds: list[float] = []
        self.refused = 0
        self.lost: list[str] = []

    def run(self) -> None:
        """Translate one image after the other."""
        while time.monotonic() < self.until:
            started = time.monotonic()
            try:
                status, body, image = self._ask(random.choice(self.images))
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(repr(error))
                continue
            if status == 429:
                self.refused += 1
                time.sleep(1)
            elif status == 200 and Image.open(io.BytesIO(body)).size == Image.open(io.BytesIO(image)).size:
                self.seconds.append(time.monotonic() - started)
            else:
                self.lost.append(f"{status} {body[:200]!r}")

    def _ask(self, image: bytes) -> tuple[int, bytes, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request("POST", self.path, image)
            answer = connection.getresponse()
            return answer.status, answer.read(), image
        finally:
            connection.close()


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--clients", type=int, default=50, help="number of clients")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long they ask")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 128, 256], help="sides of the images in pixels")
    parser.add_argument("--output", type=Path, help="JSON file to write the results to")
    options = parser.parse_args()
    server = subprocess.Popen(
        [sys.executable, "-m", "cgkit", "serve", str(options.run), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        port = int(urlsplit(server.stdout.readline().strip()).port or 0)
        rows = measure(server.pid, port, options)
        server.send_signal(signal.SIGINT)
        rows["exit code after Ctrl-C"] = server.wait(60)
    finally:
        server.kill()
    print(json.dumps(rows, indent=2))
    if options.output is not None:
        report(options.output, rows)


def measure(process: int, port: int, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of all clients, and the memory of the server and its worker over time."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/api/runs")
    name = json.loads(connection.getresponse().read())["runs"][0]["run"]
    path, images = f"/api/runs/{name}/translate?name=x.png", [_draw(side) for side in options.sides]
    warm = Client(port, path, images, time.monotonic() + 20)
    warm.run()
    until = time.monotonic() + 60 * options.minutes
    clients = [Client(port, path, images, until) for _ in range(options.clients)]
    for client in clients:
        client.start()
    memory = []
    while time.monotonic() < until:
        memory.append(_memory(process))
        time.sleep(5)
    for client in clients:
        client.join()
    seconds = sorted(second for client in clients for second in client.seconds)
    quarter = max(1, len(memory) // 4)
    return {
        "clients": options.clients,
        "minutes": options.minutes,
        "translations": len(seconds),
        "translations per second": round(len(seconds) / (60 * options.minutes), 2),
        "asked again because of a full queue": sum(client.refused for client in clients),
        "lost": [text for client in clients for text in client.lost][:10],
        "median seconds": round(statistics.median(seconds), 2),
        "95 % within seconds": round(seconds[int(0.95 * (len(seconds) - 1))], 2),
        "MiB in the first quarter": round(statistics.mean(memory[:quarter])),
        "MiB in the last quarter": round(statistics.mean(memory[-quarter:])),
        "machine": f"{os.cpu_count()} CPUs",
    }


def _draw(side: int) -> bytes:
    pixels = np.random.default_rng(side).integers(0, 256, (side, side, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


def _memory(process: int) -> float:
    """Return the MiB that a process and its children occupy, without what they share with others."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    total = 0
    for number in (process, *map(int, children)):
        for line in Path(f"/proc/{number}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_"):
                total += int(line.split()[1])
    return total / 1024


if __name__ == "__main__":
    main()
