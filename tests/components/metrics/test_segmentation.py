"""The FCN score against its formulas, in runs and in the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from cgkit.cli import main
from cgkit.components.metrics.segmentation import ClassAccuracy, MeanIou, PixelAccuracy
from cgkit.data.randomness import generator
from cgkit.evaluation.resampling import interval_of_images

COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))
METRICS = {"pixel-accuracy": PixelAccuracy, "class-accuracy": ClassAccuracy, "mean-iou": MeanIou}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a network that returns the channels of an image as scores of three classes."""
    images, scores = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, "h", "w"]) for name in ("images", "scores")
    )
    graph = helper.make_graph([helper.make_node("Identity", ["images"], ["scores"])], "colours", [images], [scores], [])
    file = tmp_path_factory.mktemp("networks") / "colours.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), file)
    return file


def in_colours(labels: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.array(COLOURS, dtype=np.float32)[labels] / 255).permute(0, 3, 1, 2)


def by_the_paper(found: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Compute the measures of Long et al., section 5, from the matrix of pixels n[i, j] of class i found as j."""
    n = np.array([[((truth == i) & (found == j)).sum() for j in range(3)] for i in range(3)])
    with np.errstate(invalid="ignore"):
        accuracies, overlaps = np.diag(n) / n.sum(1), np.diag(n) / (n.sum(1) + n.sum(0) - np.diag(n))
    return {
        "pixel-accuracy": float(np.diag(n).sum() / n.sum()),
        "class-accuracy": float(np.nanmean(accuracies)),
        "mean-iou": float(np.nanmean(overlaps)),
    }


@settings(max_examples=30, deadline=None)
@given(classes=st.integers(1, 3), seed=st.integers(0, 999), palette=st.booleans())
def test_the_scores_are_those_of_the_paper_over_all_images(file: Path, classes: int, seed: int, palette: bool) -> None:
    draws = np.random.default_rng(seed)
    truth = draws.integers(classes, size=(4, 8, 8))
    found = np.where(draws.random(truth.shape) < 0.6, truth, draws.integers(classes, size=truth.shape))
    expected = by_the_paper(found, truth)
    for name, kind in METRICS.items():
        metric = kind(network=file, size=8, palette=COLOURS if palette else None)
        translations, references = in_colours(found), in_colours(truth)
        rows = torch.cat([metric(translations[[i]], references[[i]]) for i in range(4)])
        assert float(metric.combine(rows)) == pytest.approx(expected[name], abs=1e-9)


def test_ignored_classes_do_not_count(file: Path) -> None:
    truth = np.array([[[0, 0, 1, 2]] * 4])
    found = np.array([[[0, 1, 1, 0]] * 4])
    metric = PixelAccuracy(network=file, size=4, palette=COLOURS, ignored=(2,))
    assert float(metric.combine(metric(in_colours(found), in_colours(truth)))) == pytest.approx(2 / 3)
    empty = PixelAccuracy(network=file, size=4, ignored=(0, 1, 2))
    with pytest.raises(ValueError, match="no pixel"):
        empty.combine(empty(in_colours(found), in_colours(truth)))


def test_colours_that_scaling_changed_belong_to_the_nearest_class(file: Path) -> None:
    truth = np.random.default_rng(0).integers(3, size=(2, 8, 8))
    metric = MeanIou(network=file, size=8, palette=COLOURS)
    changed = (in_colours(truth) * 0.8 + 0.1).clamp(0, 1)
    assert float(metric.combine(metric(in_colours(truth), changed))) == 1


def test_more_colours_than_classes_are_refused(file: Path) -> None:
    metric = MeanIou(network=file, size=8, palette=(*COLOURS, (9, 9, 9)))
    with pytest.raises(ValueError, match="4 colours, but the network only 3 classes"):
        metric(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8))


def test_the_interval_resamples_images_not_pixels(file: Path) -> None:
    truth = np.zeros((40, 8, 8), dtype=int)
    found = truth.copy()
    found[:20] = 1
    metric = PixelAccuracy(network=file, size=8)
    rows = metric(in_colours(found), in_colours(truth))
    interval = interval_of_images(rows, generator(0, "test"), metric.combine)
    assert interval is not None
    # Half of 40 images are right: the share has a standard error of sqrt(0.25 / 40) = 0.08.
    assert interval[0] == pytest.approx(0.5 - 1.96 * 0.079, abs=0.04)
    assert interval[1] == pytest.approx(0.5 + 1.96 * 0.079, abs=0.04)


SPEC = """
[data]
source = "seasons"
size = 16
train = 6
test = 4
workers = 0
[generator]
name = "resnet"
width = 4
blocks = 1
[discriminator]
name = "patch"
width = 4
layers = 1
[train]
steps = 1
batch = 1
precision = "fp32"
[[metric]]
name = "mean-iou"
network = "colours.onnx"
size = 16
[[metric]]
name = "pixel-accuracy"
network = "colours.onnx"
size = 16
against = "source"
[[metric]]
name = "coverage"
neighbours = 2
network = "onnx"
weights = "features.onnx"
"""


def test_a_run_scores_them_with_protocol_interval_and_baselines(
    file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "colours.onnx").write_bytes(file.read_bytes())
    network = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten()).eval()
    program = torch.onnx.export(network, (torch.zeros(1, 3, 16, 16),), dynamo=True, verbose=False)
    assert program is not None
    program.save(tmp_path / "features.onnx")
    (tmp_path / "spec.toml").write_text(SPEC)
    with pytest.raises(SystemExit) as stop:
        main(["run", str(tmp_path / "spec.toml"), "--output", str(tmp_path / "run")])
    assert not stop.value.code, capsys.readouterr().err
    numbers = json.loads((tmp_path / "run" / "evaluation.json").read_text())["numbers"]
    assert [number["name"] for number in numbers[::2]] == ["mean-iou", "pixel-accuracy", "coverage"]
    for number in numbers:
        low, high = number["interval"]
        assert low <= number["value"] <= high
        assert number["protocol"]["extractor"].startswith("onnx sha256:")
        assert str(tmp_path) not in json.dumps(number["protocol"])
    overlap, accuracy, coverage = numbers[::2]
    assert overlap["untranslated"] is not None
    assert overlap["real"] is None
    assert accuracy["untranslated"] is None
    assert accuracy["real"] is not None
    assert coverage["real"] is not None
    assert coverage["untranslated"] is not None
