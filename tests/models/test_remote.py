"""A model folder at a URL is downloaded if it is what its configuration says, and used from the cache afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from PIL import Image

from cgkit.errors import CgkitError, CgkitWarning
from cgkit.plugins import Plugins
from cgkit.runs.start import run
from cgkit.translation.translator import Translator
from tests.conftest import TINY, Result

Cli = Callable[..., Result]

pytestmark = pytest.mark.filterwarnings("default::cgkit.errors.CgkitWarning")
SMALL = ("generator.width=2", "generator.blocks=0", "train.steps=1", "evaluation.count=1")


class Site:
    """A web server of this machine: the bytes of its paths, and where it redirects to."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.endless: set[str] = set()
        self.broken: set[str] = set()
        self.asked: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                if self.path in site.redirects:
                    self.send_response(302)
                    self.send_header("Location", site.redirects[self.path])
                    self.end_headers()
                    return
                content = site.files.get(self.path)
                if content is None:
                    self.send_error(404)
                    return
                self.send_response(200)
                if self.path not in site.endless:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if self.path in site.broken else content)
                sent = 0
                while self.path in site.endless and sent < 200:
                    self.wfile.write(bytes(1 << 20))
                    sent += 1

            def log_message(self, format: str, *arguments: object) -> None:
                pass

            def handle(self) -> None:
                with suppress(ConnectionError):  # the client has read enough
                    super().handle()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05})
        self.thread.start()

    def offer(self, folder: Path, place: str = "/model/") -> str:
        self.files |= {f"{place}{file.name}": file.read_bytes() for file in folder.iterdir()}
        return self.url + place

    def stop(self) -> None:
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
            self.server.server_close()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("CGKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    served = Site()
    yield served
    served.stop()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, plugins: Plugins) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "spec.toml").write_text(TINY)
    return run(folder / "spec.toml", overrides=SMALL, output=folder / "run", plugins=plugins).folder / "model"


def refusal(address: str, plugins: Plugins) -> CgkitError:
    with pytest.raises(CgkitError) as caught:
        Translator.load(address, plugins=plugins)
    return caught.value


def cached(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "cache").rglob("*") if file.suffix in (".json", ".safetensors"))


def test_a_model_translates_from_its_url_and_later_without_a_network(
    cgkit: Cli, site: Site, model: Path, tmp_path: Path
) -> None:
    Image.new("RGB", (24, 20), (200, 60, 20)).save(tmp_path / "image.png")
    url = site.offer(model)

    def translate(address: object, name: str) -> tuple[bytes, str]:
        result = cgkit("translate", address, tmp_path / "image.png", "--output", tmp_path / name)
        assert result.code == 0, result.err
        return (tmp_path / name / "image.png").read_bytes(), result.err

    own, _ = translate(model, "own")
    assert translate(url, "first")[0] == own
    assert translate(url.rstrip("/"), "second")[0] == own
    assert site.asked.count("/model/model.safetensors") == 1
    site.stop()
    again, warned = translate(url, "third")
    assert again == own
    assert "is used" in warned


def test_a_new_version_is_downloaded_and_a_pinned_one_stays(
    site: Site, model: Path, tmp_path: Path, plugins: Plugins
) -> None:
    url = site.offer(model)
    pin = hashlib.sha256(site.files["/model/config.json"]).hexdigest()
    Translator.load(f"{url}#sha256={pin}", plugins=plugins)
    config = json.loads(site.files["/model/config.json"])
    site.files["/model/config.json"] = json.dumps({**config, "step": 7}).encode()
    assert Translator.load(url, plugins=plugins).info.step == 7
    site.asked.clear()
    assert Translator.load(f"{url}#sha256={pin}", plugins=plugins).info.step == 1
    assert site.asked == []
    assert "is not the one that the address asks for" in str(refusal(f"{url}#sha256={'0' * 64}", plugins))


def test_other_bytes_than_the_configuration_declares_are_refused_and_not_kept(
    site: Site, model: Path, tmp_path: Path, plugins: Plugins
) -> None:
    url, name = site.offer(model), "/model/model.safetensors"
    content = site.files[name]
    for other, message in (
        (content[:-1] + bytes([content[-1] ^ 1]), "its SHA-256 differs"),
        (content[:-1], rf"has {len(content) - 1} bytes, not the {len(content)}"),
        (content + b"x", f"has more than the {len(content)} bytes"),
    ):
        site.files[name] = other
        assert re.search(message, str(refusal(url, plugins)))
        assert cached(tmp_path) == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_endless_bytes_are_not_read(site: Site, model: Path, tmp_path: Path, plugins: Plugins, name: str) -> None:
    url = site.offer(model)
    site.endless.add(f"/model/{name}")
    assert "has more than the" in str(refusal(url, plugins))
    assert cached(tmp_path) == []


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_connection_that_breaks_leaves_nothing_and_the_next_one_succeeds(
    site: Site, model: Path, tmp_path: Path, plugins: Plugins, name: str
) -> None:
    url = site.offer(model)
    site.broken.add(f"/model/{name}")
    error = refusal(url, plugins)
    assert error.exit_code == 7
    assert "check your network connection" in str(error)
    assert cached(tmp_path) == []
    site.broken.clear()
    Translator.load(url, plugins=plugins)


@pytest.mark.parametrize("target", ["http://example.com/model.safetensors", "file:///etc/passwd", "ftp://127.0.0.1/x"])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_redirect_that_is_not_encrypted_is_not_followed(
    site: Site, model: Path, plugins: Plugins, target: str, name: str
) -> None:
    url = site.offer(model)
    site.redirects[f"/model/{name}"] = target
    assert re.search("not encrypted|not allowed", str(refusal(url, plugins)))


def test_a_redirect_on_this_machine_is_followed(site: Site, model: Path, plugins: Plugins) -> None:
    url = site.offer(model)
    site.files["/elsewhere"] = site.files.pop("/model/model.safetensors")
    site.redirects["/model/model.safetensors"] = f"{site.url}/elsewhere"
    Translator.load(url, plugins=plugins)


def test_a_model_without_checksums_is_refused_from_a_url(site: Site, model: Path, plugins: Plugins) -> None:
    url = site.offer(model)
    config = json.loads(site.files["/model/config.json"])
    del config["files"]
    site.files["/model/config.json"] = json.dumps(config).encode()
    assert "has no checksums of its weights" in str(refusal(url, plugins))


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a\\b.safetensors", "model.pkl", ".."])
def test_a_configuration_names_no_other_files(
    site: Site, model: Path, tmp_path: Path, plugins: Plugins, name: str
) -> None:
    url = site.offer(model)
    config = json.loads(site.files["/model/config.json"])
    config["files"] = {name: config["files"]["model.safetensors"]}
    site.files["/model/config.json"] = json.dumps(config).encode()
    assert "its files are not model.safetensors" in str(refusal(url, plugins))
    assert site.asked == ["/model/config.json"]


def test_more_bytes_than_the_disk_has_room_for_are_not_asked_for(site: Site, model: Path, plugins: Plugins) -> None:
    url = site.offer(model)
    config = json.loads(site.files["/model/config.json"])
    config["files"]["model.safetensors"]["bytes"] = 10**14
    site.files["/model/config.json"] = json.dumps(config).encode()
    assert "has room for" in str(refusal(url, plugins))
    assert site.asked == ["/model/config.json"]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://example.com/model/", "is not encrypted"),
        ("https://anna:secret@example.com/model/", "has no user name"),
        ("https://example.com/model/?token=1", r"no \?"),
        ("https://example.com/model/#sha256=12", "64 hexadecimal digits"),
        ("https:///model", "names no server"),
        ("https://[::1/model", "is not a URL"),
        ("hf:horses", "USER/NAME"),
        ("hf:../../etc/passwd", "USER/NAME"),
        ("hf:anna/horses@../x", "is not a revision"),
    ],
)
def test_an_address_that_is_not_one_is_refused_without_a_connection(
    cgkit: Cli, tmp_path: Path, address: str, message: str
) -> None:
    result = cgkit("translate", address, tmp_path, "--output", tmp_path / "output")
    assert result.code == 2
    assert re.search(message, result.err.replace("\n", " "))


def test_a_url_without_a_model_says_what_to_give(site: Site, plugins: Plugins) -> None:
    assert "404 Not Found; give the URL of a model folder" in str(refusal(f"{site.url}/nothing", plugins))


def test_a_cache_that_cannot_be_written_is_named(
    site: Site, model: Path, tmp_path: Path, plugins: Plugins, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CGKIT_CACHE", str(tmp_path / "file"))
    error = refusal(site.offer(model), plugins)
    assert "CGKIT_CACHE" in str(error)


def test_a_damaged_cache_is_downloaded_again(site: Site, model: Path, tmp_path: Path, plugins: Plugins) -> None:
    url = site.offer(model)
    Translator.load(url, plugins=plugins)
    (weights,) = (tmp_path / "cache").rglob("model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-5])
    Translator.load(url, plugins=plugins)


def test_without_the_hubs_client_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "huggingface_hub.py").write_text("raise ImportError")
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "cgkit", "translate", "hf:anna/horses", str(tmp_path), "--output", "x"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert 'pip install "cgkit[hub]"' in done.stderr
    assert "Traceback" not in done.stderr


def test_a_warning_says_that_a_copy_is_used(site: Site, model: Path, plugins: Plugins) -> None:
    url = site.offer(model)
    Translator.load(url, plugins=plugins)
    site.stop()
    with pytest.warns(CgkitWarning, match="the copy in .* is used"):
        Translator.load(url, plugins=plugins)
