"""The self-similarity distance is sensitive to layout, not to colour."""

from __future__ import annotations

import pytest
import torch
from cgkit_losses.self_similarity import SelfSimilarityLoss, edges
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as T


def warp(images: Tensor, amount: float) -> Tensor:
    """Distort images with waves; `amount` is their amplitude as a fraction of half the side."""
    line = torch.linspace(-1, 1, images.shape[-1])
    y, x = torch.meshgrid(line, line, indexing="ij")
    grid = torch.stack([x + amount * torch.sin(9 * y), y + amount * torch.sin(9 * x)], -1)
    return F.grid_sample(images, grid.expand(len(images), -1, -1, -1), padding_mode="reflection", align_corners=True)


def recolour(images: Tensor) -> dict[str, Tensor]:
    unit = (images + 1) / 2
    return {
        "hue": T.adjust_hue(unit, 0.3) * 2 - 1,
        "grey": images.mean(1, keepdim=True).expand(-1, 3, -1, -1),
        "tinted": images * torch.tensor([0.9, 0.5, 0.7]).view(3, 1, 1) - 0.1,
    }


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(16, 16), (17, 33), (64, 64)])
def test_the_distance_is_zero_for_equal_images_only_and_symmetric(channels: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    images, others = torch.rand(2, 2, channels, *size) * 2 - 1
    loss = SelfSimilarityLoss()
    assert loss(images, images.clone()).item() == 0
    assert 0.01 < loss(images, others).item() <= 1
    torch.testing.assert_close(loss(images, others), loss(others, images))


def test_brightness_contrast_and_inversion_of_the_whole_image_do_not_matter(landscapes: Tensor) -> None:
    loss = SelfSimilarityLoss()
    for changed in (0.5 * landscapes, 0.6 * landscapes + 0.3, -landscapes, landscapes[:, [2, 0, 1]]):
        assert loss(changed, landscapes).item() < 1e-3


def test_a_small_warp_matters_more_than_any_recolouring(landscapes: Tensor) -> None:
    loss = SelfSimilarityLoss()
    warped = warp(landscapes, 0.03)
    for recoloured in recolour(landscapes).values():
        assert loss(recoloured, landscapes) < 0.6 * loss(warped, landscapes)
        # A pixel loss ranks the recoloured and the warped image the other way round.
        assert F.l1_loss(recoloured, landscapes) > 1.5 * F.l1_loss(warped, landscapes)


def test_the_distance_grows_with_the_warp(landscapes: Tensor) -> None:
    loss = SelfSimilarityLoss()
    distances = [loss(warp(landscapes, amount), landscapes).item() for amount in (0.01, 0.03, 0.1)]
    assert distances == sorted(distances)


@pytest.mark.parametrize("degrees", [0, 30, 45, 90, 180])
def test_the_similarity_of_edges_is_the_squared_cosine_of_their_angle(degrees: int) -> None:
    line = torch.linspace(-1, 1, 16)
    angle = torch.tensor(degrees).deg2rad()
    horizontal, rotated = line.expand(1, 1, 16, 16), (angle.cos() * line + angle.sin() * line[:, None])[None, None]
    similarity = (edges(horizontal) * edges(rotated)).sum(1)
    # The edge vectors are slightly shorter than 1, because faint edges are suppressed.
    torch.testing.assert_close(similarity, angle.cos().square().expand_as(similarity), atol=0.011, rtol=0)


def test_gradient_descent_moves_noise_towards_a_layout(landscapes: Tensor) -> None:
    loss = SelfSimilarityLoss()
    target = landscapes[:1]
    torch.manual_seed(0)
    image = (0.3 * torch.randn_like(target)).requires_grad_()
    optimizer = torch.optim.Adam([image], lr=0.02)
    first = loss(image, target).item()
    for _ in range(40):
        optimizer.zero_grad()
        loss(image, target).backward()
        optimizer.step()
    assert loss(image, target).item() < 0.7 * first


@pytest.mark.parametrize("case", ["equal", "constant", "both constant"])
def test_gradients_are_finite_if_images_are_equal_or_have_no_edges(case: str, landscapes: Tensor) -> None:
    flat = torch.full_like(landscapes, 0.25)
    image = (landscapes if case == "equal" else flat).clone().requires_grad_()
    target = flat if case == "both constant" else landscapes
    SelfSimilarityLoss()(image, target).backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


def test_gradients_agree_with_finite_differences_in_float64() -> None:
    torch.manual_seed(0)
    image, target = torch.rand(2, 1, 1, 9, 9, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda images: SelfSimilarityLoss(reach=1)(images, target), image.requires_grad_())


def test_autocast_has_no_effect(landscapes: Tensor) -> None:
    loss = SelfSimilarityLoss()
    expected = loss(warp(landscapes, 0.1), landscapes)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        distance = loss(warp(landscapes, 0.1), landscapes)
    assert distance.dtype == torch.float32
    assert torch.equal(distance, expected)
    assert loss(landscapes.bfloat16(), landscapes).isfinite()


def test_scales_that_are_too_small_are_skipped_and_smaller_images_rejected() -> None:
    torch.manual_seed(0)
    images, others = torch.rand(2, 1, 3, 16, 16)
    distances = [SelfSimilarityLoss(scales=scales)(images, others) for scales in (1, 2, 6)]
    assert torch.equal(distances[1], distances[2])
    assert not torch.equal(distances[0], distances[1])
    with pytest.raises(ValueError, match="7x16 pixels"):
        SelfSimilarityLoss()(images[..., :7, :], others[..., :7, :])
    smallest = SelfSimilarityLoss(reach=6)(images[..., :8, :8], others[..., :8, :8])
    assert smallest.isfinite()
    assert smallest > 0
