"""A page is exported with the weights and the runtime that are asked for, or it is said why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
import pytest
import torch
from cgkit_page.exporter import Page
from pages import call

from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.components.generators.unet import UnetGenerator

Export = Callable[..., Path]


def test_weights_of_fewer_bits_make_a_smaller_page_and_a_difference_that_is_printed(
    folder: Path, runtime: None, tmp_path: Path
) -> None:
    sizes, differences = [], []
    for weights in ("fp32", "int16", "int8"):
        file = tmp_path / f"{weights}.html"
        options = ("--option", f"weights={weights}", "--json", "--output", file)
        printed = call(folder, "export", "seasons", "--format", "page", *options)
        done, _ = json.JSONDecoder().raw_decode(printed)
        sizes.append(file.stat().st_size)
        differences.append(done["largest_difference"])
    assert sizes == sorted(sizes, reverse=True)
    assert differences == sorted(differences)
    assert differences[0] <= 1e-4
    assert differences[1] <= 1 / 255


def test_one_direction_makes_a_smaller_page(folder: Path, export: Export, tmp_path: Path) -> None:
    both = export("seasons")
    call(folder, "export", "seasons", "--format", "page", "--direction", "b2a", "--output", tmp_path / "one.html")
    assert (tmp_path / "one.html").stat().st_size < both.stat().st_size
    assert 'id="data-a2b"' not in (tmp_path / "one.html").read_text()


def test_a_missing_network_is_explained_and_leaves_no_file(folder: Path, tmp_path: Path) -> None:
    offline = {"https_proxy": "http://127.0.0.1:1", "XDG_CACHE_HOME": str(tmp_path / "empty")}
    arguments = ("export", "seasons", "--format", "page", "--output", tmp_path / "model.html")
    printed = " ".join(call(folder, *arguments, code=2, **offline).split())
    assert "ONNX Runtime Web cannot be downloaded" in printed
    assert "npm pack onnxruntime-web@" in printed
    assert "--option runtime=" in printed
    assert not [path.name for path in tmp_path.iterdir() if path.suffix == ".html" or path.name.startswith(".tmp")]


def test_another_package_than_the_pinned_one_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other.tgz").write_bytes(b"other")
    option = ("--option", f"runtime={tmp_path / 'other.tgz'}", "--output", tmp_path / "model.html")
    printed = " ".join(call(folder, "export", "seasons", "--format", "page", *option, code=2).split())
    assert "is not the package onnxruntime-web" in printed
    assert not (tmp_path / "model.html").exists()


def test_a_damaged_file_in_the_cache_is_replaced(folder: Path, runtime: None, cache: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(cache, tmp_path / "cache"))
    for file in copied.rglob("*.wasm"):
        file.write_bytes(b"damaged")
    environment = {"XDG_CACHE_HOME": str(copied)}
    call(folder, "export", "seasons", "--format", "page", "--output", tmp_path / "model.html", **environment)
    assert min(file.stat().st_size for file in copied.rglob("*.wasm")) > 1e6


@pytest.mark.parametrize("size", [(16, 24), (40, 32)])
@pytest.mark.parametrize("weights", ["fp32", "int8"])
def test_a_network_translates_an_image_the_same_with_the_statistics_that_it_reports(
    tmp_path: Path, weights: Literal["fp32", "int8"], size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    Page(weights=weights).export(
        OnUnitRange(UnetGenerator(3, 3, width=4, depth=3)), torch.rand(1, 3, 32, 32), tmp_path / "a"
    )
    session = onnxruntime.InferenceSession(tmp_path / "a", providers=["CPUExecutionProvider"])
    (length,) = next(entry.shape for entry in session.get_inputs() if entry.name == "statistics")
    image, other = torch.rand(1, 3, *size).numpy(), torch.rand(1, 3, 16, 16).numpy()

    def run(images: Any, frozen: bool, statistics: Any) -> Any:
        feeds = {"frozen": np.array(frozen), "collecting": np.array(not frozen), "statistics": statistics}
        return session.run(["translations", "measured"], {"images": images, **feeds})

    own, measured = run(image, False, np.zeros(length, np.float32))
    again, _ = run(image, True, measured)
    _, others = run(other, False, np.zeros(length, np.float32))
    assert np.abs(again - own).max() <= 1e-4
    assert np.abs(run(image, True, others)[0] - own).max() > 1e-3


@pytest.mark.parametrize(
    "data", ['channels = 4\nalpha = "channel"', 'depth = "uint16"', "range = [0, 100]"], ids=["bands", "bits", "range"]
)
def test_models_of_images_that_browsers_do_not_show_are_refused(
    folder: Path, runtime: None, tmp_path: Path, data: str
) -> None:
    spec = (
        (folder / "grey.toml")
        .read_text()
        .replace("channels = 1", data if "channels" in data else f"channels = 1\n{data}")
    )
    for name in ("one", "two"):
        shutil.copytree(folder / name, tmp_path / name)
    (tmp_path / "spec.toml").write_text(spec)
    call(tmp_path, "run", "spec.toml", "--output", "run")
    printed = call(tmp_path, "export", "run", "--format", "page", "--output", "model.html", code=5)
    assert "a browser shows images of" in " ".join(printed.split())
    assert not (tmp_path / "model.html").exists()
