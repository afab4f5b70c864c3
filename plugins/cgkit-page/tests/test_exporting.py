"""A page is exported with the weights and the runtime that are asked for, or it is said why not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from cgkit_page.exporter import Page
from cgkit_page.runtime import get_runtime
from cgkit_page.weights import LIMITS, Stored
from pages import call
from safetensors.torch import load_file, save_file

from cgkit.components.exporters.unit_range import OnUnitRange

Exported = Callable[[Stored], Path]


def test_weights_of_fewer_bits_make_a_smaller_file_that_differs_by_more(
    network: OnUnitRange, exported: Exported
) -> None:
    torch.manual_seed(1)
    images = torch.rand(2, 3, 48, 32)
    sizes, differences = [], []
    for weights in ("fp32", "int16", "int8"):
        file = exported(weights)
        with torch.inference_mode():
            difference = float((Page(weights=weights).load(file)(images) - network(images)).abs().max())
        assert difference <= LIMITS[weights]
        sizes.append(file.stat().st_size)
        differences.append(difference)
    assert sizes == sorted(sizes, reverse=True)
    assert differences == sorted(differences)


def test_a_refused_difference_comes_with_a_remedy(folder: Path, runtime: None, tmp_path: Path) -> None:
    run = Path(shutil.copytree(folder / "seasons", tmp_path / "run"))
    weights = load_file(run / "model" / "model.safetensors")
    last = next(name for name, tensor in weights.items() if name.startswith("a2b") and tensor.shape == (3, 4, 7, 7))
    weights[last] *= 300  # so that the outputs are black or white, and little decides which
    save_file(weights, run / "model" / "model.safetensors", {"format": "pt"})
    config = run / "model" / "config.json"
    values = json.loads(config.read_text())
    del values["files"]  # whose checksums would refuse the weights
    config.write_text(json.dumps(values))
    options = ("--direction", "a2b", "--option", "weights=int8", "--output", tmp_path / "model.html")
    printed = " ".join(call(folder, "export", run, "--format", "page", *options, code=5).split())
    assert "differs from the generator" in printed
    assert "add --option weights=fp32" in printed
    assert not (tmp_path / "model.html").exists()


def test_a_missing_network_is_noticed_first_and_leaves_no_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise AssertionError("the network was traced before the runtime was there")

    monkeypatch.setattr(torch.onnx, "export", fail)
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


def test_a_damaged_file_in_the_cache_is_replaced(
    runtime: None, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = Path(shutil.copytree(cache, tmp_path / "cache"))
    for file in copied.rglob("*.wasm"):
        file.write_bytes(b"damaged")
    monkeypatch.setenv("XDG_CACHE_HOME", str(copied))
    assert len(get_runtime(None).wasm) > 1e6
    assert min(file.stat().st_size for file in copied.rglob("*.wasm")) > 1e6


@pytest.mark.parametrize("size", [(16, 24), (40, 32)])
@pytest.mark.parametrize("weights", ["fp32", "int8"])
def test_a_network_translates_an_image_the_same_with_the_statistics_that_it_reports(
    exported: Exported, weights: Stored, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    session = onnxruntime.InferenceSession(exported(weights), providers=["CPUExecutionProvider"])
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


@pytest.mark.parametrize("data", ['channels = 4\nalpha = "channel"', 'depth = "uint16"'], ids=["bands", "bits"])
def test_models_of_images_that_browsers_do_not_show_are_refused(
    folder: Path, runtime: None, tmp_path: Path, data: str
) -> None:
    wanted = data if "channels" in data else f"channels = 1\n{data}"
    (tmp_path / "spec.toml").write_text((folder / "grey.toml").read_text().replace("channels = 1", wanted))
    for name in ("one", "two"):
        shutil.copytree(folder / name, tmp_path / name)
    call(tmp_path, "run", "spec.toml", "--output", "run")
    options = ("--direction", "a2b", "--output", "model.html")
    printed = call(tmp_path, "export", "run", "--format", "page", *options, code=5)
    assert "a browser shows images of" in " ".join(printed.split())
    assert not (tmp_path / "model.html").exists()
