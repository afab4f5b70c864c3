"""The pages of `cgkit serve` in a browser."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cgkit import Translator
from tests.report.test_in_a_browser import HOSTILE, requests
from tests.serving.conftest import Server, Start, png, wait_until

READ = """
const [link, done] = arguments;
const image = new Image();
image.onload = () => {
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  canvas.getContext("2d").drawImage(image, 0, 0);
  done(canvas.toDataURL());
};
image.src = link.href;
"""
"""The page may not fetch what it downloads, so that a script reads it as an image."""


@pytest.fixture
def page(browser: Any, server: Server) -> Any:
    """Returns a function that opens a page of the server."""
    browser.get_log("browser")
    browser.get_log("performance")

    def open_page(path: str) -> Any:
        browser.get(server.url + path.lstrip("/"))
        return browser

    return open_page


def one(browser: Any, selector: str) -> Any:
    return browser.find_element("css selector", selector)


def wait_for_state(browser: Any, state: str) -> None:
    """Wait until the page, which reloads itself if the run's state changes, shows a state."""
    wait_until(lambda: browser.execute_script("return document.body.dataset.state") == state)


def press(browser: Any, selector: str) -> None:
    """Click on a button as soon as it can be seen, even if the page reloads itself meanwhile."""
    from selenium.common.exceptions import ElementNotInteractableException, StaleElementReferenceException
    from selenium.webdriver.support.wait import WebDriverWait

    reloads = [ElementNotInteractableException, StaleElementReferenceException]
    WebDriverWait(browser, 60, ignored_exceptions=reloads).until(lambda _: one(browser, selector).click() is None)


def silent(browser: Any) -> bool:
    return browser.get_log("browser") == []


def test_the_list_shows_every_run_with_its_samples(page: Any, server: Server) -> None:
    browser = page("/")
    rows = browser.find_elements("css selector", "tr[data-run]")
    assert [row.get_attribute("data-run") for row in rows] == ["other-tiny", "tiny"]
    wait_until(lambda: "step 4 of 4, 100 %" in rows[1].text)
    assert "finished" in rows[1].text
    wait_until(lambda: one(browser, "[data-strip]").get_property("naturalWidth"))
    # Besides the pages of the browser itself.
    assert {url for url in requests(browser) if not url.startswith((server.url, "data:", "chrome"))} == set()
    assert silent(browser)


def test_chosen_runs_are_compared(page: Any) -> None:
    browser = page("/")
    button = one(browser, "#compare")
    assert not button.is_enabled()
    for box in browser.find_elements("css selector", "[name=run]"):
        box.click()
    assert button.is_enabled()
    button.click()
    wait_until(lambda: "/compare?run=other-tiny&run=tiny" in browser.current_url)
    assert browser.find_elements("css selector", "#scores, section")
    assert silent(browser)


def test_two_checkpoints_of_a_run_are_compared(page: Any) -> None:
    browser = page("/runs/tiny")
    wait_until(lambda: one(browser, "#versions").is_displayed())
    one(browser, "#versions button").click()
    wait_until(lambda: "/compare?" in browser.current_url)
    assert "tiny%402" in browser.current_url
    assert "2 of 4" in one(browser, "body").text
    assert silent(browser)


def translate(browser: Any, *files: Path) -> list[Any]:
    before = len(browser.find_elements("css selector", ".result"))
    one(browser, "[name=images]").send_keys("\n".join(map(str, files)))
    wait_until(lambda: len(browser.find_elements("css selector", ".result a[download]")) == before + len(files))
    return browser.find_elements("css selector", ".result")[: len(files)]


def downloaded(browser: Any, result: Any) -> Image.Image:
    browser.set_script_timeout(30)
    url = browser.execute_async_script(READ, result.find_element("css selector", "a[download]"))
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


def test_images_are_translated_and_downloaded_under_their_names(page: Any, server: Server, tmp_path: Path) -> None:
    browser = page("/runs/tiny")
    files = []
    for number, name in enumerate(("first.png", "zweite Ansicht.png")):
        (tmp_path / name).write_bytes(png(30, 20, seed=number))
        files.append(tmp_path / name)
    wait_until(lambda: browser.find_elements("css selector", "[name=at] option"))
    results = translate(browser, *files)
    names = [result.find_element("css selector", "a").get_attribute("download") for result in results]
    assert names == ["zweite Ansicht.png", "first.png"]  # the newest is shown first
    expected = Translator.load(server.folder / "tiny")(Image.open(files[1]).convert("RGB"))
    assert np.abs(np.asarray(downloaded(browser, results[0]), int) - np.asarray(expected, int)).max() <= 1
    assert silent(browser)


def test_an_image_is_dropped_on_the_page(page: Any) -> None:
    browser = page("/runs/tiny")
    wait_until(lambda: browser.find_elements("css selector", "[name=at] option"))
    browser.execute_script(
        """
        const canvas = Object.assign(document.createElement("canvas"), { width: 20, height: 20 });
        canvas.toBlob((blob) => {
          const data = new DataTransfer();
          data.items.add(new File([blob], "dropped.png", { type: "image/png" }));
          document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
        });
        """
    )
    wait_until(lambda: browser.find_elements("css selector", ".result a[download='dropped.png']"))
    assert silent(browser)


def test_direction_and_model_can_be_chosen(page: Any, server: Server, tmp_path: Path) -> None:
    browser = page("/runs/tiny")
    (tmp_path / "x.png").write_bytes(png())
    wait_until(lambda: browser.find_elements("css selector", "[name=at] option"))
    one(browser, "[name=direction] option[value=b2a]").click()
    one(browser, "[name=at] option[value='2']").click()
    (result,) = translate(browser, tmp_path / "x.png")
    assert "step 2" in result.text
    expected = Translator.load(f"{server.folder / 'tiny'}@2", direction="b2a")(
        Image.open(tmp_path / "x.png").convert("RGB")
    )
    assert np.abs(np.asarray(downloaded(browser, result), int) - np.asarray(expected, int)).max() <= 1


def test_the_original_is_uncovered_by_keyboard(page: Any, tmp_path: Path) -> None:
    browser = page("/runs/tiny")
    (tmp_path / "x.png").write_bytes(png())
    (result,) = translate(browser, tmp_path / "x.png")
    slider = result.find_element("css selector", "input[type=range]")
    slider.send_keys("\ue014")
    assert slider.get_property("value") == "51"
    assert "51%" in result.find_element("css selector", ".both").get_attribute("style")


def test_what_is_no_image_is_refused_in_words(page: Any, tmp_path: Path) -> None:
    browser = page("/runs/tiny")
    (tmp_path / "letter.png").write_text("hello")
    one(browser, "[name=images]").send_keys(str(tmp_path / "letter.png"))
    wait_until(lambda: browser.find_elements("css selector", ".result .error"))
    assert "letter.png: not an image in a supported format" in one(browser, ".result .error").text


@pytest.mark.parametrize("path", ["/", "/runs/tiny"])
def test_a_phone_need_not_scroll_sideways(page: Any, path: str) -> None:
    browser = page(path)
    browser.set_window_size(500, 900)
    size = {"width": 380, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 380
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.set_window_size(1280, 900)


def test_hostile_names_are_shown_and_not_executed(browser: Any, start: Start, tmp_path: Path) -> None:
    server = start()
    run = server.folder / "tiny"
    spec = run / "spec.resolved.json"
    values = json.loads(spec.read_text())
    spec.write_text(json.dumps({**values, "name": HOSTILE, "data": {**values["data"], "names": [HOSTILE, "b"]}}))
    status = run / "status.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "state": "failed", "error": HOSTILE}))
    hostile = run.rename(run.with_name("<img src=x onerror=window.owned=1>"))
    browser.get_log("browser")
    name = "img-src-x-onerror-window.owned-1"
    wait_until(lambda: server.get(f"/api/runs/{name}").status == 200)
    assert hostile.exists()
    for path in ("", f"runs/{name}"):
        browser.get(server.url + path)
        wait_until(lambda: "window.owned" in browser.page_source)
        assert browser.execute_script("return window.owned") is None
    image = tmp_path / "'&lt;b&gt;<i>.png"
    image.write_bytes(png())
    (result,) = translate(browser, image)
    assert image.name in result.text
    assert browser.execute_script("return window.owned") is None
    assert browser.get_log("browser") == []


def test_a_run_is_continued_and_stopped_by_its_buttons(browser: Any, start: Start) -> None:
    server = start()
    run = server.folder / "tiny"
    spec = run / "spec.toml"
    spec.write_text(spec.read_text().replace("steps = 4", "steps = 100000"))
    launch = run / "launch.json"
    launch.write_text(json.dumps({**json.loads(launch.read_text()), "overrides": []}))
    status = run / "status.json"
    status.write_text(json.dumps({**json.loads(status.read_text()), "state": "stopped"}))
    browser.get(f"{server.url}runs/tiny")
    press(browser, "[data-do=continue]")
    try:
        wait_for_state(browser, "running")
        press(browser, "[data-do=stop]")
        wait_for_state(browser, "stopped")
    finally:
        server.ask("POST", "/api/runs/tiny/stop")
    wait_until(lambda: server.get("/api/runs/tiny").json["state"] == "stopped")
