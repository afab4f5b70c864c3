"""Feature networks of the user's, in ONNX files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from cgkit.components.metrics.fid import FrechetDistance
from cgkit.components.metrics.kid import KernelDistance
from cgkit.components.metrics.neighbours import Precision
from cgkit.errors import DataError

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()


def save(module: nn.Module, file: Path, shape: tuple[int, ...], dynamic: tuple[int, ...] = ()) -> Path:
    """Export a network; the given dimensions of its input may have any size."""
    shapes = (dict.fromkeys(dynamic, torch.export.Dim.DYNAMIC),)
    program = torch.onnx.export(module.eval(), (torch.zeros(shape),), dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert program is not None
    program.save(file)
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(network(), tmp_path_factory.mktemp("networks") / "any.onnx", (2, 3, 24, 24), (0, 2, 3))


def test_images_are_prepared_as_declared(file: Path) -> None:
    images = torch.rand(5, 3, 40, 30, generator=torch.Generator().manual_seed(0))
    metric = KernelDistance(network="onnx", weights=file, size=24, mean=MEAN, std=STD)
    resized = F.interpolate(images, (24, 24), mode="bicubic", antialias=True).clamp(0, 1)
    with torch.no_grad():
        prepared = (resized - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
        expected = network()(prepared)
    assert torch.allclose(metric.features(images), expected, atol=1e-5)


def test_the_extractor_has_the_digest_of_the_file_and_the_preparation(file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    plain = KernelDistance(network="onnx", weights=file, size=24).extractor
    assert plain == f"onnx sha256:{digest}, 24x24 bicubic antialiased"
    other = FrechetDistance(network="onnx", weights=file, size=24, mean=MEAN, std=STD).extractor
    assert other == f"{plain}, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
    assert Precision(network="onnx", weights=file, size=24).extractor == plain


def test_a_file_for_one_image_of_one_size_needs_no_size(tmp_path: Path, file: Path) -> None:
    fixed = save(network(), tmp_path / "fixed.onnx", (1, 3, 24, 24))
    images = torch.rand(3, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    metric = KernelDistance(network="onnx", weights=fixed)
    assert torch.allclose(
        metric.features(images), KernelDistance(network="onnx", weights=file, size=24).features(images)
    )
    with pytest.raises(DataError, match="set the option size"):
        assert KernelDistance(network="onnx", weights=file).extractor


def test_grey_images_are_read_as_rgb_and_other_numbers_of_channels_are_refused(file: Path) -> None:
    metric = KernelDistance(network="onnx", weights=file, size=24)
    grey = torch.rand(2, 1, 24, 24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(metric.features(grey), metric.features(grey.expand(-1, 3, -1, -1)))
    with pytest.raises(ValueError, match="3 channels, not 4"):
        metric.features(torch.rand(2, 4, 24, 24))
    with pytest.raises(ValueError, match="mean has 1 numbers"):
        KernelDistance(network="onnx", weights=file, size=24, mean=(0.5,)).features(grey)


def test_options_that_do_not_belong_together_are_refused(file: Path) -> None:
    with pytest.raises(ValueError, match="belong together"):
        KernelDistance(network="onnx")
    with pytest.raises(ValueError, match='belong to network = "onnx"'):
        KernelDistance(size=24)
    with pytest.raises(ValueError, match='belong to network = "onnx"'):
        KernelDistance(network="inception", weights=file, mean=MEAN)


def test_a_file_that_is_no_such_network_is_explained(tmp_path: Path, file: Path) -> None:
    (tmp_path / "text.onnx").write_text("weights")
    (tmp_path / "half.onnx").write_bytes(file.read_bytes()[:-100])
    save(nn.Linear(4, 2), tmp_path / "rows.onnx", (1, 4))
    save(network(), tmp_path / "batch.onnx", (7, 3, 24, 24))
    for name, message in (
        ("none", "cannot be read"),
        ("text", "not a complete ONNX file"),
        ("half", "not a complete ONNX file"),
        ("rows", "does not take one batch of images"),
        ("batch", "does not take one batch of images"),
    ):
        with pytest.raises(DataError, match=message):
            assert KernelDistance(network="onnx", weights=tmp_path / f"{name}.onnx", size=24).extractor
    save(nn.Conv2d(3, 2, 1), tmp_path / "maps.onnx", (1, 3, 24, 24))
    with pytest.raises(ValueError, match="not one row of features"):
        KernelDistance(network="onnx", weights=tmp_path / "maps.onnx").features(torch.rand(2, 3, 24, 24))


def test_no_other_file_is_opened(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx.load(file)
    onnx.save(model, tmp_path / "apart.onnx", save_as_external_data=True, location="secret.bin", size_threshold=0)
    assert (tmp_path / "secret.bin").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="external_data=False"):
        assert KernelDistance(network="onnx", weights=tmp_path / "apart.onnx", size=24).extractor
