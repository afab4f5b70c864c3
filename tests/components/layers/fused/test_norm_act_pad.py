"""The fused operation against torch's operations in float64: by Triton's interpreter on a CPU, compiled on a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from cgkit.components.layers.fused import norm_act_pad as norm_act_pad_module
from cgkit.components.layers.fused.norm_act_pad import norm_act_pad, triton_on_every_device
from cgkit.components.layers.fused.operations import NormActPad
from cgkit.engine.precision import Precision

pytest.importorskip("triton")
pytestmark = pytest.mark.gpu

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(autouse=True)
def use_triton() -> Iterator[None]:
    with triton_on_every_device():
        yield


def exact(
    features: Tensor, what: NormActPad, weight: Tensor | None, bias: Tensor | None, residual: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the padded and the plain result, written with other operations than the code that is tested."""
    if what.norm:
        mean = features.mean((2, 3), keepdim=True)
        features = (features - mean) / (features.var((2, 3), unbiased=False, keepdim=True) + what.eps).sqrt()
        if weight is not None and bias is not None:
            features = features * weight[:, None, None] + bias[:, None, None]
    features = torch.where(features > 0, features, features * what.slope)
    if residual is not None:
        features = features + residual
    rows, columns = (_reflected(side, what.padding) for side in features.shape[-2:])
    return F.pad(features[:, :, rows][..., columns], (0, what.extra_columns)), features


def _reflected(side: int, padding: int) -> list[int]:
    return [*range(padding, 0, -1), *range(side), *range(side - 2, side - 2 - padding, -1)]


def error(found: Tensor | None, expected: Tensor | None) -> float:
    assert found is not None
    assert expected is not None
    found, expected = found.detach().double().cpu(), expected.detach().cpu()
    return float((found - expected).norm() / expected.norm().clamp(min=1e-2))


def worst_error(
    shape: tuple[int, ...], what: NormActPad, dtype: torch.dtype, *, affine: bool, residual: bool, mean: float = 0.0
) -> float:
    """Return the largest relative error of the two results and of all gradients."""
    draws = torch.Generator().manual_seed(0)

    def image(*size: int) -> Tensor:
        return torch.randn(*size, generator=draws, dtype=torch.float64)

    channels = shape[1]
    # Features are away from 0 after the norm, where rounding would decide on which side of the activation they are.
    features = image(*shape)
    features = features + features.sign() * 0.3 + mean
    inputs: list[Tensor | None] = [features]
    inputs += [1 + image(channels) / 4, image(channels) / 50] if affine else [None, None]
    inputs.append(image(*shape) if residual else None)
    given = [None if value is None else value.to(DEVICE, dtype).requires_grad_() for value in inputs]
    ours = [None if value is None else value.detach().double().cpu().requires_grad_() for value in given]
    assert given[0] is not None
    found = norm_act_pad(given[0], what, weight=given[1], bias=given[2], residual=given[3])
    expected = exact(ours[0], what, *ours[1:])  # type: ignore[arg-type]
    above = [image(*result.shape) for result in expected]
    torch.autograd.backward(found, [g.to(DEVICE, dtype) for g in above])
    torch.autograd.backward(expected, [g.to(dtype).double() for g in above])
    pairs = [*zip(found, expected, strict=True)]
    pairs += [(a.grad, b.grad) for a, b in zip(given, ours, strict=True) if a is not None and b is not None]  # type: ignore[misc]
    return max(error(*pair) for pair in pairs)


SHAPES = {"odd sides": (2, 20, 5, 7), "more channels than a block": (1, 70, 4, 9), "one pixel": (2, 3, 1, 1)}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("norm", ["none", "plain", "affine"])
@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_results_and_gradients_are_exact(
    shape: str, padding: int, norm: str, residual: bool, dtype: torch.dtype
) -> None:
    if padding >= min(SHAPES[shape][2:]):
        pytest.skip("reflection padding is smaller than the image")
    what = NormActPad(norm != "none", 0.2, padding, extra_columns=2 * padding // 3)
    found = worst_error(SHAPES[shape], what, dtype, affine=norm == "affine", residual=residual)
    assert found < (2e-2 if dtype == torch.bfloat16 else 2e-5)


@settings(max_examples=15, deadline=None)
@given(
    st.tuples(*(st.integers(1, most) for most in (2, 40, 9, 40))),
    st.sampled_from([0.0, 0.2, 1.0]),
    st.integers(0, 3),
    st.booleans(),
)
def test_any_size_and_slope_are_exact(shape: tuple[int, ...], slope: float, padding: int, affine: bool) -> None:
    what = NormActPad(True, slope, min(padding, min(shape[2:]) - 1))
    assert worst_error(shape, what, torch.float32, affine=affine, residual=False) < 1e-3


def test_statistics_are_exact_if_the_mean_is_far_larger_than_the_deviation() -> None:
    features = torch.randn(1, 16, 40, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 1000
    features = features.to(DEVICE, torch.float32)
    (found, _) = norm_act_pad(features, NormActPad())
    assert error(found, F.instance_norm(features.double(), eps=1e-5)) < 1e-4
    naive = (features * features).mean((2, 3)) - features.mean((2, 3)).square()
    assert not torch.allclose(naive, torch.ones_like(naive), rtol=0.1)  # sums of squares would not do


def test_where_triton_does_not_work_a_warning_says_why_and_the_result_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object) -> None:
        raise RuntimeError("Failed to find C compiler.\nPlease specify one.")

    features = torch.randn(1, 4, 5, 6, device=DEVICE)
    expected, _ = norm_act_pad(features, NormActPad(padding=1))
    monkeypatch.setattr("cgkit.components.layers.fused.launches.forward", fail)
    norm_act_pad_module._works_on.cache_clear()
    try:
        with pytest.warns(UserWarning, match=r"layers are slower there: RuntimeError: Failed to find C compiler\.$"):
            found, _ = norm_act_pad(features, NormActPad(padding=1))
    finally:
        norm_act_pad_module._works_on.cache_clear()
    torch.testing.assert_close(found, expected)


def test_the_gradient_can_be_differentiated_again() -> None:
    features = torch.randn(1, 4, 5, 6, dtype=torch.float32, device=DEVICE, requires_grad=True)
    padded, _ = norm_act_pad(features, NormActPad(slope=0.2, padding=1))
    (gradient,) = torch.autograd.grad(padded.square().sum() + padded.sum(), features, create_graph=True)
    gradient.square().sum().backward()
    other = features.detach().double().cpu().requires_grad_()
    expected, _ = exact(other, NormActPad(slope=0.2, padding=1), None, None, None)
    (twice,) = torch.autograd.grad(expected.square().sum() + expected.sum(), other, create_graph=True)
    twice.square().sum().backward()
    assert error(features.grad, other.grad) < 1e-3


def test_a_network_of_fused_layers_computes_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from cgkit.components.discriminators.patch import PatchDiscriminator
    from cgkit.components.generators.resnet import ResnetGenerator
    from cgkit.components.generators.unet import UnetGenerator

    networks: list[nn.Module] = [
        ResnetGenerator(3, 3, width=4, blocks=2),
        ResnetGenerator(3, 1, width=4, blocks=1, affine=True, upsample="resize"),
        ResnetGenerator(3, 3, width=4, blocks=1, norm="batch", dropout=0.5).eval(),
        ResnetGenerator(3, 3, width=4, blocks=1, norm="none"),
        UnetGenerator(3, 3, width=4, depth=3, affine=True),
        PatchDiscriminator(3, width=4, layers=2),
    ]
    for network in networks:
        draws = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            parameter.data.copy_(torch.randn(parameter.shape, generator=draws) / 5)
        network.to(DEVICE)
        images = (torch.rand(2, 3, 16, 24, generator=draws) * 2 - 1).to(DEVICE)
        with Precision("fp32", torch.device(DEVICE)).autocast():
            fused = network(images)
            with monkeypatch.context() as patched:
                patched.setattr("cgkit.components.layers.sequence.uses_triton", lambda features: False)
                plain = network(images)
        torch.testing.assert_close(fused, plain, rtol=1e-3, atol=1e-4)
