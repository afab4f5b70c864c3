"""Reports in a browser: everything works, nothing is fetched, and no hostile name is executed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cgkit.images.sheet import Sheet, read_sheet
from cgkit.report.comparison import compare
from cgkit.report.comparison_page import write_comparison
from cgkit.report.report import write_report
from tests.report.conftest import change

Visit = Callable[[Path], Any]

HOSTILE = (
    "</script><script>window.owned = 1</script>"
    '<img src=x onerror="window.owned = 1" alt=\'"><svg onload=window.owned=1>\'>'
    "{{ 7 * 7 }}<!-- ]]> &amp; \u2028 '\" javascript:owned"
)


def requests(browser: Any) -> list[str]:
    """Return the URLs requested since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def sources(browser: Any) -> list[str]:
    return browser.execute_script("return [...document.querySelectorAll('#images img')].map((image) => image.src)")


def keys(browser: Any, *pressed: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*pressed).perform()


@pytest.fixture
def page(finished: Path, visit: Visit) -> Any:
    return visit(finished / "report.html")


def test_nothing_is_fetched_and_the_console_is_empty(finished: Path, page: Any) -> None:
    requested = requests(page)
    assert requested[0] == (finished / "report.html").as_uri()
    assert [url for url in requested[1:] if not url.startswith("data:")] == []
    assert page.get_log("browser") == []


def test_every_picture_is_displayed(page: Any) -> None:
    script = "return [...document.querySelectorAll('#images img')].map((image) => [image.complete, image.naturalWidth])"
    # Two test images in two directions: source, translation, ground truth, reconstruction.
    assert page.execute_script(script) == [[True, 16]] * 16


def test_curves_are_drawn_inside_their_charts(page: Any) -> None:
    charts = page.find_elements("css selector", "figure.chart")
    titles = [chart.find_element("css selector", ".name").text for chart in charts]
    assert titles[:3] == ["PSNR", "L1", "SSIM"]
    assert {"Adversarial", "Cycle", "Identity", "Discriminator", "Learning rate"} <= set(titles)
    for chart in charts:
        plot = chart.find_element("css selector", ".plot").rect
        for line in chart.find_elements("css selector", ".line path"):
            assert line.rect["width"] > 100
            assert plot["x"] <= line.rect["x"]
            assert line.rect["y"] + line.rect["height"] <= plot["y"] + plot["height"]


def test_the_slider_changes_the_step(page: Any) -> None:
    last = sources(page)
    page.execute_script("document.getElementById('step').focus()")
    keys(page, "\ue012")  # arrow left
    before = sources(page)
    assert page.find_element("css selector", ".time output").text == "3"
    assert page.find_element("css selector", "[data-elapsed]").text.startswith("after ")
    changed = [new != old for new, old in zip(last, before, strict=True)]
    # Translations and reconstructions change; sources and ground truth do not.
    assert changed == [False, True, False, True] * 4
    keys(page, "\ue014")
    assert sources(page) == last


def test_arrow_keys_change_the_step_from_anywhere(page: Any) -> None:
    keys(page, "\ue012", "\ue012", "\ue012", "\ue012", "\ue012")
    assert page.find_element("css selector", ".time output").text == "1"


def test_playback_stops_at_the_last_step(page: Any) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    page.find_element("css selector", "[data-play]").click()
    assert page.find_element("css selector", ".time output").text == "1"
    WebDriverWait(page, 30).until(lambda _: page.find_element("css selector", ".time output").text == "4")


def test_a_test_image_can_be_enlarged(page: Any) -> None:
    page.find_element("css selector", "button.row").click()
    dialog = page.find_element("id", "enlarged")
    assert dialog.is_displayed()
    assert [caption.text for caption in dialog.find_elements("css selector", "figcaption")] == [
        *("source", "translation", "ground truth", "reconstruction")
    ]
    assert all(image.size["width"] >= 200 for image in dialog.find_elements("css selector", "img"))
    keys(page, "\ue012")
    shown = [image.get_attribute("src") for image in dialog.find_elements("css selector", "img")]
    assert shown == sources(page)[:4]
    keys(page, "\ue00c")
    assert not dialog.is_displayed()


def test_arrow_keys_move_the_pointer_of_a_focused_chart(page: Any) -> None:
    chart = page.find_element("css selector", "#curves figure.chart")
    at, output = (chart.find_element("css selector", name) for name in (".at", "output"))
    last = output.text
    page.execute_script("arguments[0].focus()", chart.find_element("css selector", ".plot"))
    keys(page, "\ue012", "\ue012")
    assert at.text == "step 3"
    assert output.text != last
    assert page.find_element("css selector", ".time output").text == "4", "keys in a chart do not move the slider"


def test_a_narrow_window_needs_no_horizontal_scrolling(page: Any) -> None:
    narrow = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= 360
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def make_hostile(folder: Path) -> None:
    """Write a hostile string to every text in a run folder."""
    change(folder / "status.json", state=HOSTILE, error=HOSTILE, at=HOSTILE, step=HOSTILE, steps=HOSTILE)
    change(folder / "environment.json", **{HOSTILE: HOSTILE, "device": HOSTILE})
    change(folder / "environment.json", packages={HOSTILE: HOSTILE}, providers={HOSTILE: HOSTILE})
    change(folder / "spec.resolved.json", name=HOSTILE, **{HOSTILE: {HOSTILE: [HOSTILE]}})
    (folder / "spec.toml").write_text(f"# {HOSTILE}\nname = 1")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 4, HOSTILE: 1, f"{HOSTILE}_a2b": 2, HOSTILE + "2": 3}) + "\n")
    evaluation = json.loads((folder / "evaluation.json").read_text())
    evaluation["weights"] = HOSTILE
    for number in evaluation["numbers"]:
        number |= {"name": HOSTILE, "direction": HOSTILE, "better": HOSTILE, "protocol": {HOSTILE: {HOSTILE: HOSTILE}}}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    note = {"step": 3, **dict.fromkeys(("rule", "direction", "message", "advice"), HOSTILE)}
    (folder / "health.jsonl").write_text(json.dumps(note))
    for file in (folder / "samples").glob("*.png"):
        sheet = read_sheet(file)
        assert isinstance(sheet, Sheet)
        Sheet(sheet.columns, {"a": (HOSTILE,) * 2, "b": (HOSTILE,) * 2}, HOSTILE).write(file)


def test_hostile_names_are_not_executed(run_folder: Path, visit: Visit) -> None:
    make_hostile(run_folder)
    page = visit(write_report(run_folder))
    keys(page, "\ue012")
    assert page.execute_script("return window.owned") is None
    script = "return [...document.querySelectorAll('[onerror], [onload]')].map((element) => element.outerHTML)"
    assert page.execute_script(script) == []
    assert page.find_element("css selector", "h1").text.startswith(HOSTILE[:60])
    assert len(page.find_elements("css selector", "script:not([type])")) == 1
    assert [url for url in requests(page)[1:] if not url.startswith("data:")] == []
    assert page.get_log("browser") == []
    assert page.find_element("css selector", ".time output").text == "3", "the page still works"


def test_smuggled_scripts_are_blocked(finished: Path, tmp_path: Path, visit: Visit) -> None:
    text = (finished / "report.html").read_text()
    smuggled = "<script>window.owned = 1</script><img src='data:,' onerror='window.owned = 1'><main"
    (tmp_path / "changed.html").write_text(text.replace("<main", smuggled, 1))
    page = visit(tmp_path / "changed.html")
    assert page.execute_script("return window.owned") is None
    console = " ".join(entry["message"] for entry in page.get_log("browser"))
    assert "Content Security Policy" in console


def test_hostile_names_are_not_executed_in_a_comparison(finished: Path, run_folder: Path, visit: Visit) -> None:
    make_hostile(run_folder)
    renamed = run_folder.rename(run_folder.with_name("<img src=x onerror=owned=1>"))
    page = visit(write_comparison(compare([finished, renamed]), renamed.parent / "page.html"))
    assert page.execute_script("return window.owned") is None
    assert page.execute_script("return document.querySelectorAll('[onerror], [onload]').length") == 0
    assert "<img src=x onerror=owned=1>" in page.find_element("css selector", "h1").text
    assert page.find_elements("css selector", "figure.chart")
    assert [url for url in requests(page)[1:] if not url.startswith("data:")] == []
    assert page.get_log("browser") == []


def test_runs_are_compared_side_by_side(finished: Path, run_folder: Path, visit: Visit) -> None:
    page = visit(write_comparison(compare([finished, run_folder]), run_folder.parent / "page.html"))
    headings = [head.text for head in page.find_elements("css selector", ".a2b .head")]
    assert headings == ["source", "ground truth", "first", "run"]
    page.find_element("css selector", "button.row").click()
    assert page.find_element("id", "enlarged").is_displayed()
    assert page.get_log("browser") == []
