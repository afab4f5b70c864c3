"""Fixtures: small images in folders and in shards, and a server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from cgkit_shards.writing import write_shards
from PIL import Image


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Use one thread, to avoid contention between test processes."""
    torch.set_num_threads(1)


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that creates a folder of small random images, some of them in a subfolder."""

    def make(name: str, count: int = 12) -> Path:
        folder = tmp_path / "images" / name
        (folder / "inner").mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng([number, *name.encode()]).integers(0, 256, (20, 24, 3), np.uint8)
            parent = folder / "inner" if number % 3 == 0 else folder
            Image.fromarray(pixels).save(parent / f"image-{number}.png")
        return folder

    return make


@pytest.fixture
def sharded(tmp_path: Path, image_folder: Callable[..., Path]) -> Callable[..., Path]:
    """Return a function that creates shards of three images each and returns their folder."""

    def make(name: str, count: int = 12) -> Path:
        folder = tmp_path / "data" / name
        index = write_shards(image_folder(name, count), folder, 3 * 2000)
        assert [shard.nsamples for shard in index.shardlist[:-1]] == [3] * (len(index.shardlist) - 1)
        return folder

    return make


@dataclass
class Server:
    """A local HTTP server, with a list of requested paths and the number of further requests to reject as busy."""

    url: str
    requests: list[str] = field(default_factory=list)
    busy: int = 0

    @property
    def shards(self) -> list[str]:
        """The requested shards."""
        return [path for path in self.requests if path.endswith(".tar")]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Serve the folder `data`."""
    (tmp_path / "data").mkdir(exist_ok=True)
    server = Server("")

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            server.requests.append(self.path)
            if server.busy:
                server.busy -= 1
                self.send_error(503)
                return
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "data")))
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_port}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server
    listening.shutdown()
    listening.server_close()
