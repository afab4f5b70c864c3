"""Small models, their pages, and a browser to open them."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from cgkit_page.exporter import Page
from cgkit_page.runtime import get_runtime
from cgkit_page.weights import Stored
from pages import Opened, call, open_page, paint

from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.components.generators.unet import UnetGenerator
from cgkit.errors import UsageError

BROWSER = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "headless no-sandbox disable-dev-shm-usage disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync window-size=1200,900"
)

SPEC = """
name = "tiny"
license = "cc-by-4.0"

[data]
SOURCE
workers = 0

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
precision = "fp32"

[samples]
count = 1

[evaluation]
count = 2
"""
SEASONS = 'source = "seasons"\nsize = 16\ntrain = 4\ntest = 2'
GREY = 'source = "folder"\na = "one"\nb = "two"\nnames = ["plan", "aerial"]\nsize = 32\nchannels = 1\nheld_out = 0.25'


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Use one thread, to avoid contention between test processes."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this session, instead of the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def runtime(cache: Path) -> None:
    """The runtime, downloaded into the cache."""
    try:
        get_runtime(None)
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run `seasons`, and the run `grey` of images that training scaled by a half."""
    folder = tmp_path_factory.mktemp("runs")
    for name, mode in (("one", "L"), ("two", "L")):
        (folder / name).mkdir()
        for number in range(4):
            paint(folder / name / f"{number}.png", 64, 64, mode, seed=number)
    for name, source in (("seasons", SEASONS), ("grey", GREY)):
        (folder / f"{name}.toml").write_text(SPEC.replace("SOURCE", source))
        call(folder, "run", f"{name}.toml", "--output", name)
    return folder


Export = Callable[..., Path]


@pytest.fixture(scope="session")
def export(folder: Path, runtime: None, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Export a run to a page with exact weights, once: `export("seasons")`."""

    @functools.cache
    def write(run: str, *options: str) -> Path:
        page = tmp_path_factory.mktemp("pages") / "model.html"
        call(folder, "export", run, "--format", "page", "--option", "weights=fp32", *options, "--output", page)
        return page

    return write


@pytest.fixture(scope="session")
def network() -> OnUnitRange:
    """A network with norms of images, and strides."""
    torch.manual_seed(0)
    return OnUnitRange(UnetGenerator(3, 3, width=4, depth=2)).eval()


@pytest.fixture(scope="session")
def exported(network: OnUnitRange, runtime: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Stored], Path]:
    """Write the network to a file with weights that are stored in a way, once for each."""

    @functools.cache
    def write(weights: Stored) -> Path:
        file = tmp_path_factory.mktemp("networks") / f"{weights}.onnx"
        Page(weights=weights).export(network, torch.rand(1, 3, 32, 32), file)
        return file

    return write


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the browser downloads."""
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory, downloads: Path) -> Iterator[Any]:
    """Headless Chromium that logs all requests and console messages."""
    with start_chromium(f"{FLAGS} disable-gpu", tmp_path_factory.mktemp("browser"), downloads) as session:
        yield session


@pytest.fixture
def start(tmp_path: Path, downloads: Path) -> Iterator[Callable[[str], Any]]:
    """Starts Chromium with more flags."""
    with ExitStack() as started:
        yield lambda flags: started.enter_context(start_chromium(f"{FLAGS} {flags}", tmp_path / "browser", downloads))


@contextmanager
def start_chromium(flags: str, profile: Path, downloads: Path) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = next(filter(None, map(shutil.which, BROWSER)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no chromium with its chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in flags.split():
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={profile}")
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield session
    session.quit()


@pytest.fixture
def visit(browser: Any) -> Callable[[Path | str], Opened]:
    """Opens a page from disk or from an address, with empty logs, and waits until it can be used."""

    def visit_page(page: Path | str) -> Opened:
        browser.get("about:blank")
        for kind in ("browser", "performance"):
            browser.get_log(kind)
        return open_page(browser, page)

    return visit_page


@pytest.fixture(scope="session")
def firefox() -> Iterator[Any]:
    """Headless Firefox."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = shutil.which("firefox") or shutil.which("firefox-esr")
    driver = shutil.which("geckodriver")
    if program is None or driver is None:
        pytest.skip("no firefox with its geckodriver is installed")
    options = webdriver.FirefoxOptions()
    options.binary_location = program
    options.add_argument("-headless")
    session = webdriver.Firefox(options=options, service=webdriver.FirefoxService(driver))
    yield session
    session.quit()


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serves a folder on this machine; returns its address."""
    servers = []

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    def start(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
