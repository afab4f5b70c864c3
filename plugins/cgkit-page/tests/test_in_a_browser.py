"""A page in Chromium: it translates as cgkit does, nothing leaves it, and nothing hostile is executed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cgkit_page.exporter import Page
from pages import HOSTILE, Opened, as_direction, assert_equal, expected, paint, pixels

from cgkit.contracts import ModelFacts, SamplePair

Visit = Callable[[Path | str], Opened]
Export = Callable[..., Path]

DROP = """
const [target, encoded, name] = arguments;
const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name, { type: "image/png" }));
for (const kind of ["dragenter", "dragover", "drop"]) {
  target.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true, dataTransfer: data }));
}
"""
PASTE = DROP.partition("for (")[0] + (
    'target.dispatchEvent(new ClipboardEvent("paste", { bubbles: true, clipboardData: data }));'
)


def encoded(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


@pytest.mark.parametrize(("direction", "height", "width"), [("a2b", 64, 96), ("b2a", 37, 51)])
def test_translations_are_those_of_cgkit(
    folder: Path, export: Export, visit: Visit, tmp_path: Path, direction: str, height: int, width: int
) -> None:
    image = paint(tmp_path / "image.png", height, width)
    page = visit(export("seasons"))
    page.all(f"input[value={direction}]")[0].click()
    assert_equal(page.translate(image), expected(folder, "seasons", image, "--direction", direction))
    assert np.array_equal(page.canvas("before"), pixels(image))
    assert page.console() == []


def test_a_tiny_image_is_translated(export: Export, visit: Visit, tmp_path: Path) -> None:
    page = visit(export("seasons"))
    assert page.translate(paint(tmp_path / "image.png", 2, 1)).shape == (2, 1, 3)
    assert page.console() == []


def test_images_are_dropped_and_pasted(folder: Path, export: Export, visit: Visit, tmp_path: Path) -> None:
    images = [paint(tmp_path / f"{number}.png", 32, 32, seed=number) for number in range(2)]
    page = visit(export("seasons"))
    for count, (script, image) in enumerate(zip((DROP, PASTE), images, strict=True), 1):
        page.run(script, page["drop"], encoded(image), image.name)
        page.finish(count)
        page.wait(lambda image=image: np.array_equal(page.canvas("before"), pixels(image)))
        assert_equal(page.canvas("after"), expected(folder, "seasons", image))


def test_transparent_and_rotated_images_are_read_as_cgkit_reads_them(
    folder: Path, export: Export, visit: Visit, tmp_path: Path
) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    rotated = paint(tmp_path / "rotated.png", 24, 40, exif=exif)
    transparent = paint(tmp_path / "transparent.png", 24, 40, "RGBA")
    page = visit(export("seasons"))
    made = page.translate(rotated)
    assert made.shape == (40, 24, 3)
    assert_equal(made, expected(folder, "seasons", rotated))
    page = visit(export("seasons"))
    made, wanted = page.translate(transparent), expected(folder, "seasons", transparent)
    assert np.abs(made - wanted).mean() < 1, "browsers round colours behind alpha"


def test_several_images_wait_for_each_other_and_are_downloaded_under_their_names(
    export: Export, visit: Visit, tmp_path: Path, downloads: Path
) -> None:
    images = [paint(tmp_path / f"photo {number}.jpg", 24, 32, seed=number) for number in range(3)]
    page = visit(export("seasons"))
    page.add(*images)
    page.finish(3)
    page.all("#images button")[1].click()
    page.wait(lambda: np.array_equal(page.canvas("before"), pixels(images[1])))
    page["download"].click()
    page.wait(lambda: (downloads / "photo 1.png").exists())
    assert np.array_equal(pixels(downloads / "photo 1.png"), page.canvas("after"))
    assert page.requests()[1:] == []


def test_the_slider_works_with_the_keyboard(export: Export, visit: Visit, tmp_path: Path) -> None:
    page = visit(export("seasons"))
    page.translate(paint(tmp_path / "image.png", 24, 32))
    page.run("arguments[0].focus()", page["slider"])
    page["slider"].send_keys("\ue014\ue014")
    assert page["slider"].get_attribute("value") == "52"
    assert page["slider"].get_attribute("aria-valuetext") == "52 % original"
    page["slider"].send_keys("\ue011")
    assert page.run("return getComputedStyle(document.getElementById('before')).clipPath") == "inset(0px 100% 0px 0px)"


def test_both_directions_have_their_names(export: Export, visit: Visit, tmp_path: Path) -> None:
    page = visit(export("seasons"))
    assert [label.text for label in page.all("#directions label")] == ["summer to winter", "winter to summer"]
    first = page.translate(paint(tmp_path / "image.png", 24, 32))
    assert (page["left"].text, page["right"].text) == ("summer", "winter")
    page.all("#directions input")[1].click()
    page.wait(lambda: page["left"].text == "winter" and page["result"].is_displayed())
    assert not np.array_equal(page.canvas("after"), first)


def test_a_large_image_is_translated_in_tiles_with_common_statistics(
    folder: Path, export: Export, visit: Visit, tmp_path: Path
) -> None:
    image = paint(tmp_path / "large.png", 1000, 1300, cells=(40, 52))
    page = visit(export("seasons"))
    seen = "window.seen = []; new MutationObserver(() => seen.push(document.getElementById('status').textContent))"
    page.run(f"{seen}.observe(document.getElementById('status'), {{ childList: true }})")
    made = page.translate(image)
    assert any("translating in tiles" in text for text in page.run("return seen"))
    difference = np.abs(made - expected(folder, "seasons", image, "--tile", "never"))
    assert difference.mean() < 1, "tiles only approximate a whole translation"
    seams = np.abs(np.diff(made, axis=1)).mean((0, 2))
    assert seams[420:450].max() < 2 * np.median(seams) + 1, "neighbouring tiles do not differ in colour"


def test_a_translation_is_cancelled_and_can_be_started_again(export: Export, visit: Visit, tmp_path: Path) -> None:
    large, small = paint(tmp_path / "large.png", 2000, 2600), paint(tmp_path / "small.png", 24, 32)
    page = visit(export("seasons"))
    page.add(large)
    page.wait(lambda: "in tiles" in page["status"].text)
    page["cancel"].click()
    page.wait(lambda: page.states() == ["cancelled"] and not page["working"].is_displayed())
    page.add(small)
    page.wait(lambda: page.states() == ["cancelled", "done"] and page["result"].is_displayed())
    assert page.console() == []


def test_a_grey_model_translates_at_the_scale_of_training(
    folder: Path, export: Export, visit: Visit, tmp_path: Path
) -> None:
    from selenium.webdriver.support.select import Select

    image = paint(tmp_path / "colour.png", 50, 70)
    page = visit(export("grey", "--direction", "a2b"))
    assert_equal(page.translate(image), expected(folder, "grey", image))
    for size in ("own", "scaled"):
        Select(page["scale"]).select_by_value("trained")
        Select(page["size"]).select_by_value(size)
        wanted = expected(folder, "grey", image, "--scale", "trained", "--size", size)
        page.wait(lambda wanted=wanted: page["result"].is_displayed() and page.canvas("after").shape == wanted.shape)
        page.wait(lambda: page.states() == ["done"] and "translated to" in page["status"].text)
        assert_equal(page.canvas("after"), wanted)


def test_an_image_that_cannot_be_read_is_explained(export: Export, visit: Visit, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no image")
    page = visit(export("seasons"))
    page.add(tmp_path / "broken.png")
    page.wait(lambda: page.states() == ["failed"])
    assert "broken.png: this browser cannot read it as an image" in page["status"].text
    page.add(paint(tmp_path / "good.png", 24, 32))
    page.wait(lambda: page.states() == ["failed", "done"])


def test_the_status_is_that_of_the_image_that_is_shown(export: Export, visit: Visit, tmp_path: Path) -> None:
    page = visit(export("seasons"))
    page.add(paint(tmp_path / "first.png", 24, 32), paint(tmp_path / "second.png", 24, 32))
    page.finish(2)
    page.wait(lambda: page["status"].text.startswith("first.png: translated to winter"))
    page.all("input[value=b2a]")[0].click()
    page.wait(lambda: page["status"].text.startswith("first.png: translated to summer"))


def test_hostile_texts_are_shown_and_not_executed(exported: Callable[..., Path], visit: Visit, tmp_path: Path) -> None:
    sample = paint(tmp_path / "sample.png", 16, 16).read_bytes()
    facts = ModelFacts(
        name=HOSTILE,
        card=f"# {HOSTILE}\n\n- {HOSTILE}\n\n| {HOSTILE} |\n\n    {HOSTILE}\n\n{HOSTILE}\n",
        licence=HOSTILE,
        scores=[[HOSTILE], [HOSTILE]],
        samples=[SamplePair("a2b", sample, sample, HOSTILE)],
    )
    direction = as_direction(exported("fp32"), names=(HOSTILE, f"{HOSTILE} too"))
    Page().assemble([direction], facts, tmp_path / "hostile.html")
    page = visit(tmp_path / "hostile.html")
    page.translate(paint(tmp_path / "<img src=x onerror=owned=1>.png", 24, 32))
    shown = page.run("return document.body.innerText")
    assert shown.count(HOSTILE.partition("<!--")[0]) > 9
    assert page.run("return window.owned") is None
    assert page.run("return document.querySelectorAll('[onerror], [onload]').length") == 0
    assert page.console() == []
    assert page.requests()[1:] == []


def test_smuggled_scripts_are_blocked(export: Export, visit: Visit, tmp_path: Path) -> None:
    text = export("seasons").read_text()
    smuggled = "<script>window.owned = 1</script><img src='data:,' onerror='window.owned = 1'><main"
    (tmp_path / "changed.html").write_text(text.replace("<main", smuggled, 1))
    page = visit(tmp_path / "changed.html")
    assert page.run("return window.owned") is None
    assert "Content Security Policy" in " ".join(entry["message"] for entry in page.console())


@pytest.mark.parametrize("run", [("seasons",), ("grey", "--direction", "a2b")], ids=["seasons", "grey"])
def test_a_phone_needs_no_horizontal_scrolling(
    export: Export, visit: Visit, tmp_path: Path, run: tuple[str, ...]
) -> None:
    page = visit(export(*run))
    phone: dict[str, Any] = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    try:
        page.translate(paint(tmp_path / f"{'a-long-name-' * 8}.png", 64, 600))
        assert page.run("return document.documentElement.scrollWidth") <= 360
        assert page["stage"].rect["width"] <= 328
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_what_is_known_about_the_model_is_shown(export: Export, visit: Visit) -> None:
    page = visit(export("seasons"))
    assert page.all("h1")[0].text == "tiny"
    assert "summer to winter and winter to summer" in page["summary"].text
    assert "psnr (higher is better)" in page["scores"].text
    assert "generator: resnet" in page["card"].text
    assert "of 255 levels" in page["card"].text
    assert [image.get_property("naturalWidth") for image in page.all("#samples img")] == [16] * 4
    page.all("footer summary")[0].click()
    assert "cc-by-4.0" in page["licence"].text
    assert "Copyright (c) Microsoft Corporation" in page["runtime"].text
    page.all("#samples button")[1].click()
    page.finish()
    assert page["left"].text == "winter"


def test_a_folder_is_served_without_inline_scripts(
    folder: Path, export: Export, visit: Visit, serve: Callable[[Path], str], tmp_path: Path
) -> None:
    site = export("seasons", "--direction", "b2a", "--option", "folder=true")
    names = {"index.html", "page.js", "page.css", "worker.js", "facts.bin", "wasm.bin", "b2a.bin"}
    assert {path.name for path in site.iterdir()} == names
    text = (site / "index.html").read_text()
    assert "<script>" not in text
    assert "<style>" not in text
    assert "unsafe-inline" not in text
    image = paint(tmp_path / "image.png", 37, 51)
    address = serve(site)
    page = visit(address)
    assert_equal(page.translate(image), expected(folder, "seasons", image, "--direction", "b2a"))
    assert not page["directions"].is_displayed()
    assert all(url.startswith(address) for url in page.requests())
    assert page.console() == []
