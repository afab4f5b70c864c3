"""KID and FID against independent implementations, and their feature networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.models.inception import Inception3

from cgkit.components.metrics.efficientnet import EfficientNetLite0
from cgkit.components.metrics.fid import FrechetDistance
from cgkit.components.metrics.kid import KernelDistance
from cgkit.errors import DataError

sizes = st.integers(2, 9)


def sets(n: int, m: int, width: int, seed: int) -> tuple[Tensor, Tensor]:
    draws = torch.Generator().manual_seed(seed)
    first = torch.randn(n, width, generator=draws, dtype=torch.float64)
    return first, torch.randn(m, width, generator=draws, dtype=torch.float64) * 1.5 + 0.3


@settings(max_examples=25, deadline=None)
@given(sizes, sizes, st.integers(1, 6), st.integers(0, 99))
def test_kid_averages_over_all_pairs_of_different_images(n: int, m: int, width: int, seed: int) -> None:
    first, second = sets(n, m, width, seed)
    first_rows, second_rows = first.tolist(), second.tolist()

    def kernel(x: list[float], y: list[float]) -> float:
        return (sum(a * b for a, b in zip(x, y, strict=True)) / width + 1) ** 3

    within = [
        sum(kernel(rows[i], rows[j]) for i in range(len(rows)) for j in range(len(rows)) if i != j)
        / (len(rows) * (len(rows) - 1))
        for rows in (first_rows, second_rows)
    ]
    across = sum(kernel(x, y) for x in first_rows for y in second_rows) / (n * m)
    expected = sum(within) - 2 * across
    assert float(KernelDistance()(first, second)) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(sizes, st.integers(2, 30), st.integers(1, 6), st.integers(0, 99))
def test_fid_is_the_formula_with_two_covariance_matrices(n: int, m: int, width: int, seed: int) -> None:
    first, second = (rows.numpy() for rows in sets(n, m, width, seed))
    s, t = (np.cov(rows, rowvar=False).reshape(width, width) for rows in (first, second))
    # The trace of the square root of S T is the sum of the roots of its eigenvalues, which are real and nonnegative.
    roots = np.sqrt(np.clip(np.linalg.eigvals(s @ t).real, 0, None)).sum()
    means = ((first.mean(0) - second.mean(0)) ** 2).sum()
    expected = means + np.trace(s) + np.trace(t) - 2 * roots
    assert float(FrechetDistance()(torch.tensor(first), torch.tensor(second))) == pytest.approx(expected, abs=1e-5)


def test_kid_is_unbiased_for_few_images_and_fid_is_not() -> None:
    values = {n: [sets(n, n, 8, seed) for seed in range(300)] for n in (6, 24)}
    kid = {n: np.mean([float(KernelDistance()(*pair)) for pair in pairs]) for n, pairs in values.items()}
    fid = {n: np.mean([float(FrechetDistance()(*pair)) for pair in pairs]) for n, pairs in values.items()}
    assert kid[6] == pytest.approx(kid[24], rel=0.15)
    assert fid[6] > 1.5 * fid[24]


@pytest.mark.parametrize("metric", [KernelDistance(), FrechetDistance()])
def test_the_network_distinguishes_smooth_images_from_noise(metric) -> None:
    draws = torch.Generator().manual_seed(0)
    smooth = torch.rand(8, 3, 4, 4, generator=draws)
    smooth = torch.nn.functional.interpolate(smooth, (48, 48), mode="bicubic").clamp(0, 1)
    first, second = metric.features(smooth[:4]), metric.features(smooth[4:])
    noise = metric.features(torch.rand(4, 3, 48, 48, generator=draws))
    assert first.shape == (4, 1280)
    assert metric(first, noise) > 3 * abs(metric(first, second))


def test_the_extractor_names_the_checksum_of_its_weights() -> None:
    text = EfficientNetLite0().description
    assert text.startswith("efficientnet-lite0 sha256:579344248a93e230")
    assert KernelDistance().extractor == FrechetDistance().extractor == text


def test_grey_images_are_read_as_rgb_and_other_numbers_of_channels_are_refused() -> None:
    grey = torch.rand(2, 1, 30, 40, generator=torch.Generator().manual_seed(0))
    network = EfficientNetLite0()
    assert torch.allclose(network.features(grey), network.features(grey.expand(-1, 3, -1, -1)))
    with pytest.raises(ValueError, match="1 or 3 channels, not 2"):
        network.features(torch.rand(1, 2, 30, 40))


def test_inception_needs_its_weights_and_other_networks_take_none() -> None:
    for wrong in ({"network": "inception"}, {"weights": Path("weights.pth")}):
        with pytest.raises(ValueError, match="belong together"):
            KernelDistance(**wrong)


def test_a_file_without_inception_weights_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("weights")
    for name, message in (
        ("other.pth", "does not contain"),
        ("text.pth", "does not contain"),
        ("none.pth", "none.pth"),
    ):
        metric = FrechetDistance(network="inception", weights=tmp_path / name)
        with pytest.raises(DataError, match=message):
            metric.features(torch.rand(1, 3, 32, 32))
    with pytest.raises(DataError, match="cannot be read"):
        assert metric.extractor


@pytest.fixture(scope="module")
def inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a file in the format of the published weights, with random ones."""
    torch.manual_seed(0)
    network = Inception3(1008, aux_logits=False, init_weights=False)
    file = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), file)
    return file


def test_inception_has_2048_features_and_a_checksum(inception: Path) -> None:
    metric = KernelDistance(network="inception", weights=inception)
    features = metric.features(torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)))
    assert features.shape == (2, 2048)
    assert torch.isfinite(features).all()
    assert "inception sha256:" in metric.extractor


def test_the_blocks_of_inception_pool_as_in_tensorflow(inception: Path) -> None:
    from cgkit.components.metrics.inception import _network

    network = _network(inception)
    ones = torch.ones(1, 192, 8, 8)
    pooled: list[Tensor] = []
    for block, width in (("Mixed_5b", 192), ("Mixed_6b", 768), ("Mixed_7b", 1280), ("Mixed_7c", 2048)):
        branch = getattr(network, block)
        branch.branch_pool.register_forward_pre_hook(lambda module, inputs: pooled.append(inputs[0]))
        branch(ones[:, :1].expand(-1, width, -1, -1))
    # A mean that included the padding would be smaller at the border.
    assert all(torch.allclose(features, torch.ones_like(features)) for features in pooled[1::2])
    assert len(pooled) == 8  # for each block, torchvision's own pooling first, which is not used
    ramp = torch.arange(64.0).view(1, 1, 8, 8).expand(-1, 2048, -1, -1)
    pooled.clear()
    network.Mixed_7c(ramp)
    assert pooled[1][0, 0, 0, 0] == 9
