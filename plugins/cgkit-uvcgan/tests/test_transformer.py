"""The parts of the transformer."""

from __future__ import annotations

import pytest
import torch
from cgkit_uvcgan.transformer import FourierPositions, PixelwiseVisionTransformer, TransformerBlock


def test_a_block_is_the_identity_at_initialisation():
    tokens = torch.randn(2, 5, 12)
    assert torch.equal(TransformerBlock(12, 3, 16)(tokens), tokens)


def test_in_a_trained_block_every_token_depends_on_every_other():
    block = TransformerBlock(12, 3, 16)
    with torch.no_grad():
        block.share.fill_(1)
    tokens = torch.randn(1, 5, 12)
    changed = tokens.clone()
    changed[:, 4, 0] += 1
    assert ((block(tokens) - block(changed)).abs().amax(2) > 1e-6).all()


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 3), (5, 4)])
def test_every_pixel_has_a_different_position_at_every_size(height, width):
    positions = FourierPositions(16)(height, width)
    assert positions.shape == (1, height * width, 16)
    assert torch.pdist(positions[0]).min() > 1e-3 if height * width > 1 else positions.isfinite().all()


def test_positions_are_comparable_between_sizes():
    positions = FourierPositions(16)
    few, many = positions(2, 3)[0].view(2, 3, 16), positions(6, 9)[0].view(6, 9, 16)
    assert torch.allclose(few, many[1::3, 1::3], atol=1e-6)


def test_positions_have_the_order_of_the_pixels():
    vit = PixelwiseVisionTransformer(2, width=2, blocks=0, heads=1, feed_forward=1, positions=2, styled=False)
    with torch.no_grad():
        for layer, weight in (
            (vit.positions.mixture, torch.eye(2)),
            (vit.inward, torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]])),
            (vit.outward, torch.eye(2)),
        ):
            layer.weight.copy_(weight)
            layer.bias.zero_()
    output, style = vit(torch.zeros(1, 2, 3, 4))
    assert style is None
    assert torch.allclose(output[0, 0], torch.sin(torch.tensor([-0.75, -0.25, 0.25, 0.75])).expand(3, 4))
    assert torch.allclose(output[0, 1], torch.sin(torch.tensor([-2 / 3, 0, 2 / 3]))[:, None].expand(3, 4))


def test_the_style_depends_on_the_whole_image_and_the_output_on_the_style_token():
    vit = PixelwiseVisionTransformer(4, width=12, blocks=1, heads=2, feed_forward=8, positions=6, styled=True)
    features = torch.randn(2, 4, 3, 3, requires_grad=True)
    assert torch.equal(vit(features)[1], vit.style_token[0].expand(2, 12))
    with torch.no_grad():
        vit.blocks[0].share.fill_(1)
    output, style = vit(features)
    assert output.shape == features.shape
    assert style.shape == (2, 12)
    (gradient,) = torch.autograd.grad(style[0].sum(), features, retain_graph=True)
    assert (gradient[0].abs().amax(0) > 0).all()
    assert not gradient[1].any()
    (gradient,) = torch.autograd.grad(output.sum(), vit.style_token)
    assert gradient.any()
