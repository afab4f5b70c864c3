"""Run folders to report on, and a browser to view the pages."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import cgkit
from tests.conftest import TINY

BROWSER = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync window-size=1280,900"
)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run, with samples at every step and scores at every second step."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("reported")
    (folder / "spec.toml").write_text(TINY)
    overrides = ("samples.every=1", "log.every=1", "evaluation.every=2", "checkpoint.every=4")
    return cgkit.run(folder / "spec.toml", overrides=overrides, output=folder / "first").folder


@pytest.fixture
def run_folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that tests may modify."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def change(file: Path, **values: Any) -> None:
    """Change values in a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Headless Chromium that logs all requests and console messages."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = next(filter(None, map(shutil.which, BROWSER)), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no chromium with its chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in FLAGS.split():
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('browser')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield session
    session.quit()


@pytest.fixture
def visit(browser: Any) -> Callable[[Path], Any]:
    """Opens a page from disk, with empty request and console logs."""

    def open_page(page: Path) -> Any:
        browser.get("about:blank")
        for kind in ("browser", "performance"):
            browser.get_log(kind)
        browser.get(page.as_uri())
        return browser

    return open_page
