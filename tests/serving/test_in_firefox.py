"""The pages of `cgkit serve` in Firefox, which reads images and forms in its own way."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cgkit import Translator
from tests.serving.conftest import Server, png, wait_until
from tests.serving.test_in_a_browser import downloaded, one, translate


@pytest.fixture(scope="module")
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


def test_an_image_is_translated_and_the_original_uncovered(firefox: Any, server: Server, tmp_path: Path) -> None:
    firefox.get(f"{server.url}runs/tiny")
    (tmp_path / "x.png").write_bytes(png(30, 20))
    wait_until(lambda: firefox.find_elements("css selector", "[name=at] option"))
    (result,) = translate(firefox, tmp_path / "x.png")
    expected = Translator.load(server.folder / "tiny")(Image.open(tmp_path / "x.png").convert("RGB"))
    assert np.abs(np.asarray(downloaded(firefox, result), int) - np.asarray(expected, int)).max() <= 1
    slider = result.find_element("css selector", "input[type=range]")
    slider.send_keys("\ue014")
    assert slider.get_property("value") == "51"


def test_the_list_is_live_and_runs_are_compared(firefox: Any, server: Server) -> None:
    firefox.get(server.url)
    wait_until(lambda: "step 4 of 4, 100 %" in one(firefox, "body").text)
    for box in firefox.find_elements("css selector", "[name=run]"):
        box.click()
    one(firefox, "#compare").click()
    wait_until(lambda: "/compare?run=other-tiny&run=tiny" in firefox.current_url)
