"""The examples of the page on containers translate images."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from PIL import Image

from cgkit.runs.start import run
from tests.conftest import TINY

PAGE = Path(__file__).parents[2] / "docs" / "models" / "containers.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Run a file of the page next to a folder `model`; returns its names."""
    (tmp_path / "spec.toml").write_text(TINY)
    small = ["generator.width=2", "generator.blocks=0", "train.steps=1", "evaluation.count=1"]
    run(tmp_path / "spec.toml", overrides=small, output=tmp_path / "run").folder.joinpath("model").rename(
        tmp_path / "model"
    )
    Image.new("RGB", (24, 20), (200, 60, 20)).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)

    def load(name: str) -> dict[str, Any]:
        match = re.search(rf"<!-- file: {re.escape(name)} -->\n```python\n(.*?)^```", PAGE.read_text(), re.S | re.M)
        assert match is not None
        names: dict[str, Any] = {"__name__": "example"}
        exec(compile(match[1], name, "exec"), names)
        return names

    return load


def test_the_server_translates_images_and_refuses_other_files(
    example: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = example("serve.py")["Handler"]
    handler.log_message = lambda *arguments: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        with urlopen(url, data=Path("photo.jpg").read_bytes()) as answer:
            assert Image.open(io.BytesIO(answer.read())).size == (24, 20)
        with pytest.raises(HTTPError, match="400"):
            urlopen(url, data=b"no image")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_predictor_translates_an_image(
    example: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    cog = ModuleType("cog")  # what the page uses of Cog, which builds containers and cannot run here
    vars(cog).update(BasePredictor=object, Input=lambda **described: None, Path=Path)
    monkeypatch.setitem(sys.modules, "cog", cog)
    predictor = example("predict.py")["Predictor"]()
    predictor.setup()
    with Image.open(predictor.predict(Path("photo.jpg"))) as translation:
        assert translation.size == (24, 20)
