"""The U-Net generator: the published function, at every supported size."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional as F

from cgkit.components.generators.unet import UnetGenerator


def published(network, images):
    """Reimplement the published generator from its description, with a network's weights."""
    downs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    ups = [module for module in network.modules() if isinstance(module, nn.ConvTranspose2d)][::-1]

    def block(level, features):
        outermost, innermost = level == 0, level == len(downs) - 1
        # In place, as published: this also activates the features in the skip connection below.
        inner = features if outermost else F.leaky_relu_(features, 0.2)
        inner = F.conv2d(inner, downs[level].weight, downs[level].bias, stride=2, padding=1)
        if not innermost:
            inner = block(level + 1, inner if outermost else F.instance_norm(inner))
        inner = F.conv_transpose2d(F.relu_(inner), ups[level].weight, ups[level].bias, stride=2, padding=1)
        return inner.tanh() if outermost else torch.cat([features, F.instance_norm(inner)], 1)

    return block(0, images)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("depth", [2, 3, 5])
def test_it_computes_the_published_function_and_its_gradient(batch, depth):
    network = UnetGenerator(3, 2, width=4, depth=depth).double()
    images = torch.rand(batch, 3, 64, 32, dtype=torch.float64) * 2 - 1
    translations, expected = network(images), published(network, images)
    assert torch.allclose(translations, expected, rtol=0, atol=1e-12)
    weights = torch.randn_like(translations)
    for gradient, reference in zip(
        torch.autograd.grad(translations, network.parameters(), weights),
        torch.autograd.grad(expected, network.parameters(), weights),
        strict=True,
    ):
        assert torch.allclose(gradient, reference, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(("depth", "count"), [(7, 41_828_995), (8, 54_413_955)])
def test_with_batch_norm_it_has_the_published_parameters(depth, count):
    with torch.device("meta"):
        network = UnetGenerator(3, 3, depth=depth, norm="batch", affine=True)
    assert sum(parameter.numel() for parameter in network.parameters()) == count


def test_with_instance_norm_it_has_the_published_parameters_except_biases_that_the_norms_remove():
    with torch.device("meta"):
        network, without_norm = UnetGenerator(3, 3), UnetGenerator(3, 3, norm="none")
    removed = (128 + 256 + 4 * 512) + (4 * 512 + 256 + 128 + 64)
    counts = [sum(parameter.numel() for parameter in model.parameters()) for model in (network, without_norm)]
    assert counts == [counts[1] - removed, counts[1]]


@pytest.mark.parametrize("channels", [(1, 3), (3, 1), (4, 2)])
@pytest.mark.parametrize("depth", [1, 2, 5])
def test_every_multiple_of_the_stride_keeps_its_size(channels, depth):
    network = UnetGenerator(*channels, width=2, depth=depth)
    stride = network.stride
    assert stride == 2**depth
    for height, width in ((stride, stride), (stride, 2 * stride), (3 * stride, stride)):
        for batch in (1, 2):
            translations = network(torch.rand(batch, channels[0], height, width) * 2 - 1)
            assert translations.shape == (batch, channels[1], height, width)


@pytest.mark.parametrize("size", [(4, 8), (8, 12), (0, 8)])
def test_other_sizes_are_refused_with_the_supported_ones(size):
    with pytest.raises(ValueError, match=r"must be at least 8 and multiples of 8"):
        UnetGenerator(3, 3, width=2, depth=3)(torch.zeros(1, 3, *size))


@pytest.mark.parametrize("options", [{}, {"norm": "batch"}, {"norm": "none"}, {"affine": True}])
def test_translations_are_finite_and_in_range_for_extreme_weights_and_images(options):
    network = UnetGenerator(3, 3, width=4, depth=4, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(30)
    for images in (torch.randn(1, 3, 16, 16), *(torch.full((1, 3, 16, 16), value) for value in (-1.0, 0.0, 1.0))):
        images.requires_grad_()
        translations = network(images)
        translations.sum().backward()
        assert translations.isfinite().all()
        assert float(translations.detach().abs().max()) <= 1
        assert images.grad.isfinite().all()
        assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize(("depth", "layers"), [(8, 3), (7, 2), (6, 1), (5, 0), (1, 0)])
def test_dropout_is_in_the_published_decoder_layers(depth, layers):
    with torch.device("meta"):
        network = UnetGenerator(3, 3, depth=depth, dropout=0.5)
    with_dropout = [index for index, up in enumerate(network.up) if any(getattr(layer, "p", 0) for layer in up)]
    assert with_dropout == list(range(1, layers + 1))


def test_dropout_is_active_only_in_training():
    network = UnetGenerator(3, 3, width=2, depth=6, dropout=0.5)
    images = torch.rand(1, 3, 64, 64)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


@pytest.mark.parametrize(
    ("size", "depth"), [((256, 256), 8), ((128, 128), 7), ((512, 1024), 8), ((96, 64), 5), ((50, 30), 1), ((17, 16), 1)]
)
def test_it_recommends_the_greatest_depth_that_both_sides_allow(size, depth):
    assert UnetGenerator.recommended(size) == {"depth": depth}


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_its_state_survives_safetensors(norm):
    options = {"width": 4, "depth": 3, "norm": norm, "affine": True}
    first, second = UnetGenerator(3, 3, **options), UnetGenerator(3, 3, **options)
    images = torch.rand(2, 3, 16, 16)
    first(images)  # updates the state of batch norm
    second.load_state_dict(load(save(first.state_dict())))
    assert torch.equal(first.eval()(images), second.eval()(images))
