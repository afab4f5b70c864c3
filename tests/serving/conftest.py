"""Servers that tests talk to as their clients do."""

from __future__ import annotations

import http.client
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from PIL import Image

import cgkit
from tests.conftest import TINY

# Fixtures that pytest finds by their names here.
from tests.report.conftest import browser, visit  # noqa: F401

START = 120.0


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def picture(self) -> Image.Image:
        return Image.open(io.BytesIO(self.body))


@dataclass
class Server:
    """A `cgkit serve` process."""

    process: subprocess.Popen[str]
    url: str
    folder: Path
    token: str = ""
    scratch: Path = field(default_factory=Path)

    def kept(self) -> list[Path]:
        """Return the files of translations that exist now."""
        return list(self.scratch.glob("cgkit-serve-*/*/*"))

    @property
    def port(self) -> int:
        return int(urlsplit(self.url).port or 0)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            named.setdefault("Authorization", f"Bearer {self.token}")
        try:
            connection.request(method, path, body, named, encode_chunked=hasattr(body, "__next__"))
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def translate(self, image: bytes, run: str = "tiny", query: str = "", **headers: str) -> Answer:
        return self.ask("POST", f"/api/runs/{run}/translate{query and '?'}{query}", image, **headers)

    def errors(self) -> str:
        """Return what the server printed to stderr."""
        return self.folder.with_name(f"{self.folder.name}-errors.txt").read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(60)


Start = Callable[..., Server]


def png(width: int = 16, height: int = 16, seed: int = 0) -> bytes:
    """Return a PNG file of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    return encoded.getvalue()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run with checkpoints at steps 2 and 4."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    overrides = ("samples.every=2", "log.every=1", "evaluation.every=2", "checkpoint.keep=2")
    return cgkit.run(folder / "spec.toml", overrides=overrides, output=folder / "tiny").folder


def launch(folder: Path, *options: str) -> Server:
    """Start a server, and wait until it accepts connections."""
    errors = folder.with_name(f"{folder.name}-errors.txt")
    scratch = folder.with_name(f"{folder.name}-scratch")
    scratch.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(scratch)}
    command = [sys.executable, "-m", "cgkit", "serve", str(folder), "--port", "0", *options]
    with errors.open("w") as stream:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True, env=environment)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith("http://"), errors.read_text()
    token = url.partition("token=")[2]
    return Server(process, url.partition("?")[0], folder, token, scratch)


def end(server: Server) -> None:
    if server.process.poll() is None:
        server.process.terminate()
        try:
            server.process.wait(20)
        except subprocess.TimeoutExpired:
            server.process.kill()
            server.process.wait()
    assert server.process.stdout is not None
    server.process.stdout.close()


@pytest.fixture(scope="session")
def server(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with the runs `tiny` and `other/tiny`, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("served")
    shutil.copytree(trained, folder / "tiny")
    other = shutil.copytree(trained, folder / "other" / "tiny")
    status = other / "status.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "losses": {"cycle": float("nan")}}))
    started = launch(folder)
    yield started
    end(started)


@pytest.fixture
def start(trained: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts a server with a copy of the trained run, and with options."""
    started: list[Server] = []

    def call(*options: str) -> Server:
        folder = tmp_path / f"runs-{len(started)}"
        shutil.copytree(trained, folder / "tiny")
        started.append(launch(folder, *options))
        return started[-1]

    yield call
    for each in started:
        end(each)


def wait_until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return the first true value of a condition."""
    limit = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < limit, "nothing happened"
        time.sleep(0.1)
    return value
