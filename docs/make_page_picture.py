"""Make README's picture of a model as a page with headless Chromium.

    cgkit export runs/earth --format page --output earth.html
    python docs/make_page_picture.py earth.html photograph.png

docs/make_earth_picture.py says how to train the model. The photograph is a part of NASA's Blue Marble, in the public
domain, at the scale of the tiles.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from selenium import webdriver
from selenium.webdriver.support.wait import WebDriverWait

WIDTH, HEIGHT = 1200, 860


def main(page: Path, image: Path) -> None:
    """Write `docs/page.png`: the page with an image and its translation."""
    options = webdriver.ChromeOptions()
    for flag in ("headless", "no-sandbox", "disable-gpu", "hide-scrollbars"):
        options.add_argument(f"--{flag}")
    # Give the driver's path, because selenium would otherwise download a driver.
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(page.resolve().as_uri())
        browser.find_element("id", "files").send_keys(str(image.resolve()))
        WebDriverWait(browser, 300).until(lambda _: browser.find_element("id", "result").is_displayed())
        picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    finally:
        browser.quit()
    # Reduced to a palette of 256 colours, the picture looks the same, but its file is a third of the size.
    picture.quantize(256, kmeans=3).save(Path(__file__).with_name("page.png"), optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
