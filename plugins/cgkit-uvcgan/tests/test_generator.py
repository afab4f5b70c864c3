"""The generator computes the published function, at every supported size."""

from __future__ import annotations

import pytest
import torch
from cgkit_uvcgan.generator import VitUnetGenerator
from torch.nn import functional as F

SMALL = {"features": (6, 8), "blocks": 2, "heads": 2, "width": 12, "positions": 10, "feed_forward": 16}


@pytest.fixture(params=[False, True], ids=["instance-norms", "modulated"])
def small_generator(request):
    """A generator of UVCGAN or UVCGANv2 in which the parameters initialised to zero are not zero."""
    network = VitUnetGenerator(3, 3, **SMALL, modulated=request.param)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("share"):
                parameter.fill_(0.7)
    return network


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def published_counts(features, blocks, width, positions, feed_forward):
    """Count the parameters of the published networks from their description."""

    def convolution(before, after, kernel=3):
        return before * after * kernel**2 + after

    def linear(before, after):
        return before * after + after

    unet = convolution(3, features[0]) + convolution(features[0], 3, kernel=1)
    styles = 0
    narrow = features[0]
    for wide in features:
        unet += convolution(narrow, wide) + convolution(wide, wide) + convolution(wide, wide, kernel=2)  # down
        unet += convolution(wide, wide) + convolution(2 * wide, wide) + convolution(wide, narrow)  # up
        styles += linear(width, 2 * wide) + 1 + linear(width, wide) + 1
        narrow = wide
    block = 4 * linear(width, width) + linear(width, feed_forward) + linear(feed_forward, width) + 4 * width + 1
    transformer = linear(2, positions) + linear(positions + narrow, width) + blocks * block + linear(width, narrow)
    return unet + transformer, unet + transformer + styles + width


def test_the_defaults_have_the_published_number_of_parameters_except_biases_before_norms():
    with torch.device("meta"):
        first, second = VitUnetGenerator(3, 3), VitUnetGenerator(3, 3, modulated=True)
    published, modulated = published_counts((48, 96, 192, 384), 12, 384, 384, 1536)
    assert (published, modulated) == (31_360_239, 32_192_231)
    removed = (48 + 96 + 192) + (384 + 192 + 96 + 48)
    assert (count(first), count(second)) == (published - removed, modulated)
    assert round(modulated / 1e6) == 32  # "around 32M" according to the authors


def published(network, images):
    """Compute the output of UVCGAN's generator, reimplemented from its description, with the weights of a network."""

    def convolution(layer, features, **options):
        return F.conv2d(features, layer.weight, layer.bias, **options)

    def block(layers, features):
        for layer in (module for module in layers if isinstance(module, torch.nn.Conv2d)):
            features = F.leaky_relu(convolution(layer, F.instance_norm(features), padding=1), 0.01)
        return features

    features = F.leaky_relu(convolution(network.first[0], images, padding=1), 0.01)
    skips = []
    for level in network.down:
        features = block(level.block, features)
        skips.append(features)
        features = convolution(level.halving, features, stride=2)
    features = published_transformer(network.transformer, features)
    for level in network.up:
        features = convolution(level.doubling[1], F.interpolate(features, scale_factor=2), padding=1)
        features = block(level.block, torch.cat((features, skips.pop()), 1))
    return 2 * torch.sigmoid(2 * convolution(network.last, features)) - 1


def published_transformer(vit, features):
    number, channels, height, width = features.shape
    tokens = []
    for row in range(height):
        for column in range(width):
            coordinates = torch.tensor([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dtype=features.dtype)
            position = torch.sin(vit.positions.mixture(coordinates)).expand(number, -1)
            tokens.append(vit.inward(torch.cat((position, features[:, :, row, column]), 1)))
    tokens = torch.stack(tokens)  # (tokens, N, width), the layout of multi_head_attention_forward
    for block in vit.blocks:
        norm, attention = block.attention
        normed = norm(tokens)
        attended, _ = F.multi_head_attention_forward(
            normed,
            normed,
            normed,
            normed.shape[2],
            attention.heads,
            attention.inward.weight,
            attention.inward.bias,
            None,
            None,
            False,
            0.0,
            attention.outward.weight,
            attention.outward.bias,
        )
        tokens = tokens + block.share * attended
        tokens = tokens + block.share * block.feed_forward(tokens)
    return vit.outward(tokens).permute(1, 2, 0).reshape(number, channels, height, width)


@pytest.mark.parametrize("batch", [1, 2])
def test_it_computes_the_published_function_and_its_gradient(batch):
    network = VitUnetGenerator(3, 2, **SMALL).double()
    with torch.no_grad():
        for block in network.transformer.blocks:
            block.share.fill_(0.7)
    images = torch.rand(batch, 3, 16, 24, dtype=torch.float64) * 2 - 1
    output, expected = network(images), published(network, images)
    assert torch.allclose(output, expected, rtol=0, atol=1e-12)
    weights = torch.randn_like(output)
    for gradient, reference in zip(
        torch.autograd.grad(output, network.parameters(), weights),
        torch.autograd.grad(expected, network.parameters(), weights),
        strict=True,
    ):
        assert torch.allclose(gradient, reference, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("features", [(4,), (4, 6), (4, 4, 6)])
@pytest.mark.parametrize("modulated", [False, True])
def test_every_multiple_of_the_stride_is_supported(features, modulated):
    network = VitUnetGenerator(1, 3, **{**SMALL, "features": features}, modulated=modulated)
    stride = network.stride
    assert stride == 2 ** len(features)
    for height, width in ((stride, stride), (stride, 2 * stride), (3 * stride, stride)):
        for batch in (1, 2):
            output = network(torch.rand(batch, 1, height, width) * 2 - 1)
            assert output.shape == (batch, 3, height, width)
            assert output.abs().max() <= 1


@pytest.mark.parametrize("size", [(2, 4), (6, 8), (8, 9), (0, 4)])
def test_other_sizes_are_rejected_with_the_supported_ones(size):
    with pytest.raises(ValueError, match="must be at least 4 and multiples of 4"):
        VitUnetGenerator(3, 3, **SMALL)(torch.zeros(1, 3, *size))


def test_heads_that_do_not_divide_the_width_are_rejected():
    with pytest.raises(ValueError, match="heads = 5 does not divide width = 12"):
        VitUnetGenerator(3, 3, **{**SMALL, "heads": 5})


def test_translations_do_not_depend_on_the_batch(small_generator):
    images = torch.rand(3, 3, 8, 8) * 2 - 1
    batched = small_generator(images)
    single = torch.cat([small_generator(image[None]) for image in images])
    assert torch.allclose(batched, single, atol=1e-6)
    assert not torch.allclose(batched[0], batched[1], atol=1e-3)


def test_distant_pixels_only_interact_through_the_transformer(small_generator):
    def gradient_in_the_far_corner():
        images = (torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(5)) * 2 - 1).requires_grad_()
        near_corner = small_generator(images)[..., :4, :4].square().sum()
        (gradient,) = torch.autograd.grad(near_corner, images)
        return gradient[..., -4:, -4:].abs().max()

    with_attention = gradient_in_the_far_corner()
    for level in (*small_generator.down, *small_generator.up):  # instance norms depend on the whole image, too
        for parent in (level, getattr(level, "block", None)):
            for name, module in list(parent.named_children()) if parent is not None else []:
                if isinstance(module, torch.nn.GroupNorm):
                    setattr(parent, name, torch.nn.Identity())
    assert gradient_in_the_far_corner() > 0
    with torch.no_grad():
        for name, parameter in small_generator.named_parameters():
            if name.endswith("share"):
                parameter.zero_()
    assert with_attention > 0
    assert gradient_in_the_far_corner() == 0


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_in_float32_match_those_in_float64_in_every_layout(small_generator, batch, layout):
    images = torch.rand(batch, 3, 16, 16) * 2 - 1
    weights = torch.randn(batch, 3, 16, 16)
    exact = gradients(small_generator.double(), images.double(), weights.double())
    network = small_generator.float().to(memory_format=layout)
    computed = gradients(network, images.to(memory_format=layout), weights.to(memory_format=layout))
    for name, gradient in computed.items():
        scale = exact[name].abs().max()
        assert (gradient - exact[name]).abs().max() <= 1e-3 * scale + 1e-6, name


def gradients(network, images, weights):
    names, parameters = zip(*network.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(network(images), parameters, weights), strict=True))


def test_every_parameter_gets_a_gradient(small_generator):
    small_generator(torch.rand(2, 3, 16, 16) * 2 - 1).square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in small_generator.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None or not gradient.any()] == []


def test_without_norms_the_initial_weights_preserve_the_signal():
    network = VitUnetGenerator(3, 3, modulated=True)
    assert network.initialises_itself
    assert not VitUnetGenerator(3, 3, **SMALL).initialises_itself
    features = network.first(torch.rand(1, 3, 32, 32) * 2 - 1)
    for level in network.down:
        features, _ = level(features)
    assert 0.1 < features.std() < 3


def test_autocast_gives_nearly_the_same_output(small_generator):
    images = torch.rand(2, 3, 16, 16) * 2 - 1
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = small_generator(images)
    assert torch.allclose(output.float(), small_generator(images), atol=0.05)
