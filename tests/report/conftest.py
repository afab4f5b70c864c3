"""Runs to report of, and a browser to look at the pages with."""

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
    """The folder of a run that went to its end, with a sheet at every step and scores at every second one."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("reported")
    (folder / "spec.toml").write_text(TINY)
    overrides = ("samples.every=1", "log.every=1", "evaluation.every=2", "checkpoint.every=4")
    return cgkit.run(folder / "spec.toml", overrides=overrides, output=folder / "first").folder


@pytest.fixture
def run_folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to do anything to."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


def change(file: Path, **values: Any) -> None:
    """Change values in a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium without a window, which tells of every request and of everything that its console says."""
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
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


@pytest.fixture
def visit(browser: Any) -> Callable[[Path], Any]:
    """Opens a page, as from a disk; what it requested and what its console said is forgotten before."""

    def open_page(page: Path) -> Any:
        browser.get("about:blank")
        for kind in ("browser", "performance"):
            browser.get_log(kind)
        browser.get(page.as_uri())
        return browser

    return open_page
