"""Running cgkit, painting images, and working with a page in the browser."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cgkit.cli import main
from cgkit.contracts import ExportedDirection

HOSTILE = "</script><script>window.owned = 1</script><img src=x onerror='window.owned = 1'>{{ 7 * 7 }}<!-- \u2028 &amp;"


def call(folder: Path, *arguments: object, code: int = 0, **environment: str) -> str:
    """Run the command line in a folder, in this process; return what it printed."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.chdir(folder)
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
    printed = output.getvalue() + errors.getvalue()
    assert int(stop.value.code or 0) == code, printed
    return printed


def paint(
    file: Path,
    height: int,
    width: int,
    mode: str = "RGB",
    seed: int = 0,
    cells: tuple[int, int] = (5, 7),
    **options: Any,
) -> Path:
    """Write a picture of smooth random colours."""
    bands = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    coarse = np.random.default_rng(seed).integers(0, 256, (*cells, bands), np.uint8)
    picture = Image.fromarray(coarse[..., 0] if bands == 1 else coarse)
    picture.resize((width, height), Image.Resampling.BICUBIC).save(file, **options)
    return file


def as_direction(file: Path, **known: Any) -> ExportedDirection:
    """Return a direction that was exported to a file."""
    usual: dict[str, Any] = {
        "direction": "a2b",
        "names": ("summer", "winter"),
        "channels": (3, 3),
        "stride": 4,
        "size": (32, 32),
        "trained_scale": None,
        "eight_bits": True,
        "background": (0, 0, 0),
        "keeps_alpha": False,
        "difference": 0.0,
    }
    return ExportedDirection(file=file, **{**usual, **known})


class Opened:
    """A page in the browser."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def __getitem__(self, name: str) -> Any:
        return self.browser.find_element("id", name)

    def all(self, selector: str) -> list[Any]:
        return self.browser.find_elements("css selector", selector)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def wait(self, condition: Callable[[], Any], seconds: float = 60) -> None:
        from selenium.common.exceptions import TimeoutException
        from selenium.webdriver.support.wait import WebDriverWait

        try:
            WebDriverWait(self.browser, seconds, 0.05).until(lambda _: condition())
        except TimeoutException as error:
            raise AssertionError(f"{self['status'].text}, {self.states()}") from error

    def states(self) -> list[str]:
        return [state.text for state in self.all("#images .state")]

    def add(self, *images: Path) -> None:
        self["files"].send_keys("\n".join(map(str, images)))

    def finish(self, count: int = 1) -> None:
        """Wait until so many images are translated, and the chosen one is shown."""
        self.wait(lambda: self.states() == ["done"] * count and self["result"].is_displayed())

    def translate(self, image: Path) -> np.ndarray:
        self.add(image)
        self.finish()
        return self.canvas("after")

    def canvas(self, name: str) -> np.ndarray:
        url = self.run("return document.getElementById(arguments[0]).toDataURL('image/png')", name)
        return pixels(io.BytesIO(base64.b64decode(url.partition(",")[2])))

    def console(self) -> list[Any]:
        return self.browser.get_log("browser")

    def requests(self) -> list[str]:
        """Return the URLs requested since the page was opened, apart from those that the page itself contains."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]


def open_page(browser: Any, page: Path | str) -> Opened:
    """Open a page from disk or from an address, and wait until it can be used."""
    browser.get(page.as_uri() if isinstance(page, Path) else page)
    opened = Opened(browser)
    opened.wait(lambda: opened["summary"].text and not opened["status"].text)
    return opened


def expected(folder: Path, run: str, image: Path, *options: str) -> np.ndarray:
    """Return what `cgkit translate` makes of an image."""
    output = image.parent / f"translated-{len(list(image.parent.iterdir()))}"
    call(folder, "translate", run, image, "--output", output, "--device", "cpu", "--precision", "fp32", *options)
    (file,) = output.glob("*.png")
    return pixels(file)


def assert_equal(made: np.ndarray, wanted: np.ndarray) -> None:
    """Assert that two translations differ by a level at most."""
    assert made.shape == wanted.shape
    assert np.abs(made - wanted).max() <= 1


def pixels(file: Any) -> np.ndarray:
    """Return the pixels of an image file, without alpha."""
    with Image.open(file) as opened:
        return np.asarray(opened.convert("RGB")).astype(int)
