"""The PatchGAN discriminator: the published function, and its receptive field."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional as F

from cgkit.components.discriminators.patch import PatchDiscriminator


def published(network, images):
    """Reimplement the published discriminator with a network's weights."""
    first, *between, last = (module for module in network.modules() if isinstance(module, nn.Conv2d))
    features = F.leaky_relu(F.conv2d(images, first.weight, first.bias, stride=2, padding=1), 0.2)
    for layer in between:
        features = F.conv2d(features, layer.weight, stride=1 if layer is between[-1] else 2, padding=1)
        features = F.leaky_relu(F.instance_norm(features), 0.2)
    return F.conv2d(features, last.weight, last.bias, padding=1)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("layers", [1, 2, 3, 5])
def test_it_computes_the_published_function(batch, layers):
    network = PatchDiscriminator(3, width=4, layers=layers).double()
    images = torch.rand(batch, 3, 100, 96, dtype=torch.float64) * 2 - 1
    assert torch.allclose(network(images), published(network, images), rtol=0, atol=1e-12)


def test_it_has_the_published_parameters_except_biases_that_its_norms_remove():
    removed = 128 + 256 + 512
    with torch.device("meta"):
        variants = [PatchDiscriminator(3, norm="none"), PatchDiscriminator(3), PatchDiscriminator(3, affine=True)]
    without_norm, network, affine = (sum(weight.numel() for weight in variant.parameters()) for variant in variants)
    assert without_norm == 2_764_737
    assert network == 2_764_737 - removed
    assert affine == 2_766_529 - removed


@pytest.mark.parametrize(("layers", "side"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_one_logit_depends_on_exactly_the_published_patch(layers, side):
    network = PatchDiscriminator(1, width=2, layers=layers, norm="none").double()
    images = torch.rand(1, 1, 288, 288, dtype=torch.float64, requires_grad=True)
    logits = network(images)
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], images)
    rows, columns = gradient[0, 0].nonzero(as_tuple=True)
    assert network.receptive_field == side
    for indices in (rows, columns):
        assert int(indices.min()) > 0
        assert int(indices.max()) < 287
        assert int(indices.max() - indices.min()) + 1 == side


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_the_receptive_field_does_not_depend_on_spectral_norm(spectral_norm):
    assert PatchDiscriminator(3, width=2, spectral_norm=spectral_norm).receptive_field == 70


@pytest.mark.parametrize(("side", "logits"), [(256, 30), (128, 14)])
def test_it_gives_the_published_number_of_logits(side, logits):
    assert PatchDiscriminator(3, width=2)(torch.rand(1, 3, side, side)).shape == (1, 1, logits, logits)


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_it_accepts_images_of_its_least_size_and_refuses_smaller_ones(layers, channels, norm):
    network = PatchDiscriminator(channels, width=2, layers=layers, norm=norm)
    least = network.least
    for size in ((least, least), (least, least + 7), (least + 1, least)):
        logits = network(torch.rand(1, channels, *size) * 2 - 1)
        assert logits.shape[:2] == (1, 1)
        assert logits.isfinite().all()
    for size in ((least - 1, least), (least, least - 1)):
        with pytest.raises(ValueError, match=rf"height and width must be at least {least}$"):
            network(torch.rand(1, channels, *size))


@pytest.mark.parametrize("options", [{}, {"norm": "batch"}, {"norm": "none"}, {"spectral_norm": True}])
def test_constant_images_have_finite_logits_and_gradients(options):
    network = PatchDiscriminator(3, width=4, layers=2, **options)
    for value in (-1.0, 0.0, 1.0):
        images = torch.full((1, 3, 32, 32), value, requires_grad=True)
        logits = network(images)
        logits.sum().backward()
        assert logits.isfinite().all()
        assert images.grad.isfinite().all()
        assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
def test_convolutions_have_a_bias_unless_a_norm_removes_it(norm):
    network = PatchDiscriminator(3, width=2, norm=norm)
    first, *between, last = (module for module in network.modules() if isinstance(module, nn.Conv2d))
    assert first.bias is not None
    assert last.bias is not None
    assert {layer.bias is not None for layer in between} == {norm == "none"}


def test_spectral_norm_keeps_every_convolution_at_norm_one():
    network = PatchDiscriminator(3, width=4, layers=2, spectral_norm=True)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(5)
        for _ in range(50):
            network(torch.rand(1, 3, 16, 16))
    network.eval()
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 4
    for convolution in convolutions:
        norm = torch.linalg.matrix_norm(convolution.weight.flatten(1), 2)
        assert float(norm.detach()) == pytest.approx(1, rel=1e-2)


@pytest.mark.parametrize("options", [{"norm": "batch"}, {"affine": True}, {"spectral_norm": True}])
def test_its_state_survives_safetensors(options):
    first, second = (PatchDiscriminator(3, width=4, layers=1, **options) for _ in range(2))
    images = torch.rand(2, 3, 16, 16)
    first(images)  # updates the state of batch norm and spectral norm
    second.load_state_dict(load(save(first.state_dict())))
    assert torch.equal(first.eval()(images), second.eval()(images))
