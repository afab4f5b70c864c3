"""The ResNet generator: the published function, at every supported size."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional as F

from cgkit.components.generators.resnet import ResnetGenerator


def published(network, images):
    """Reimplement the published generator from its description, with a network's weights."""
    layers = [module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d))]
    first, *between, last = layers
    downs, ups, blocks = between[:2], between[-2:], between[2:-2]

    def pad(features, width):
        return F.pad(features, (width,) * 4, mode="reflect")

    features = F.relu(F.instance_norm(F.conv2d(pad(images, 3), first.weight)))
    for down in downs:
        features = F.relu(F.instance_norm(F.conv2d(features, down.weight, stride=2, padding=1)))
    for convolution, second in zip(blocks[::2], blocks[1::2], strict=True):
        residual = F.relu(F.instance_norm(F.conv2d(pad(features, 1), convolution.weight)))
        features = features + F.instance_norm(F.conv2d(pad(residual, 1), second.weight))
    for up in ups:
        features = F.conv_transpose2d(features, up.weight, stride=2, padding=1, output_padding=1)
        features = F.relu(F.instance_norm(features))
    return F.conv2d(pad(features, 3), last.weight, last.bias).tanh()


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("blocks", [0, 1, 6])
def test_it_computes_the_published_function(batch, blocks):
    network = ResnetGenerator(3, 2, width=4, blocks=blocks).double()
    images = torch.rand(batch, 3, 24, 16, dtype=torch.float64) * 2 - 1
    assert torch.allclose(network(images), published(network, images), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("blocks", "count"), [(9, 11_378_179), (6, 7_837_699)])
def test_it_has_the_published_parameters_except_biases_that_its_norms_remove(blocks, count):
    with torch.device("meta"):
        network, without_norm = ResnetGenerator(3, 3, blocks=blocks), ResnetGenerator(3, 3, blocks=blocks, norm="none")
    removed = 64 + 128 + 256 + blocks * 2 * 256 + 128 + 64
    assert sum(parameter.numel() for parameter in without_norm.parameters()) == count
    assert sum(parameter.numel() for parameter in network.parameters()) == count - removed


@pytest.mark.parametrize("channels", [(1, 3), (3, 1), (4, 2)])
@pytest.mark.parametrize("upsample", ["transposed", "resize"])
@pytest.mark.parametrize(("downsamplings", "blocks"), [(0, 1), (1, 2), (2, 1), (3, 1), (3, 0)])
def test_every_multiple_of_the_stride_keeps_its_size(channels, upsample, downsamplings, blocks):
    network = ResnetGenerator(*channels, width=2, blocks=blocks, upsample=upsample, downsamplings=downsamplings)
    stride = network.stride
    assert stride == 2**downsamplings
    least = max(4, 2 * stride if blocks else stride)
    for height, width in ((least, least), (least, least + stride), (least + 3 * stride, least)):
        for batch in (1, 2):
            translations = network(torch.rand(batch, channels[0], height, width) * 2 - 1)
            assert translations.shape == (batch, channels[1], height, width)


@pytest.mark.parametrize(("blocks", "size"), [(1, (4, 8)), (1, (8, 10)), (0, (3, 4)), (0, (8, 2))])
def test_other_sizes_are_refused_with_the_supported_ones(blocks, size):
    network = ResnetGenerator(3, 3, width=2, blocks=blocks)
    with pytest.raises(ValueError, match=rf"must be at least {8 if blocks else 4} and multiples of 4"):
        network(torch.zeros(1, 3, *size))


@pytest.mark.parametrize("options", [{}, {"norm": "batch"}, {"norm": "none"}, {"upsample": "resize"}, {"affine": True}])
def test_translations_are_finite_and_in_range_for_extreme_weights_and_images(options):
    network = ResnetGenerator(3, 3, width=4, blocks=2, **options)
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


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_convolutions_have_a_bias_unless_a_norm_removes_it(norm, upsample):
    network = ResnetGenerator(3, 3, width=2, blocks=1, norm=norm, upsample=upsample)
    *inner, last = (module for module in network.modules() if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)))
    assert last.bias is not None
    assert {layer.bias is not None for layer in inner} == {norm == "none"}


def test_resize_uses_no_transposed_convolutions():
    modules = ResnetGenerator(3, 3, width=2, blocks=1, upsample="resize").modules()
    assert not any(isinstance(module, nn.ConvTranspose2d) for module in modules)


def test_resize_leaves_no_checkerboard_in_a_flat_image():
    for upsample, flat in (("resize", True), ("transposed", False)):
        torch.manual_seed(0)
        network = ResnetGenerator(3, 3, width=4, blocks=1, upsample=upsample, norm="none").double()
        translation = network(torch.full((1, 3, 64, 64), 0.3, dtype=torch.float64))[..., 24:40, 24:40]
        assert (float(translation.detach().std((2, 3)).max()) < 1e-12) is flat


def test_dropout_is_active_only_in_training():
    network = ResnetGenerator(3, 3, width=4, blocks=2, dropout=0.5)
    images = torch.rand(1, 3, 16, 16)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))


@pytest.mark.parametrize(("size", "blocks"), [((255, 255), 6), ((128, 128), 6), ((256, 256), 9), ((64, 512), 9)])
def test_it_recommends_the_published_number_of_blocks(size, blocks):
    assert ResnetGenerator.recommended(size) == {"blocks": blocks}


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_its_state_survives_safetensors(norm):
    options = {"width": 4, "blocks": 1, "norm": norm, "affine": True}
    first, second = ResnetGenerator(3, 3, **options), ResnetGenerator(3, 3, **options)
    images = torch.rand(2, 3, 16, 16)
    first(images)  # updates the state of batch norm
    second.load_state_dict(load(save(first.state_dict())))
    assert torch.equal(first.eval()(images), second.eval()(images))
