"""The multiscale discriminator: patch discriminators on downsampled copies."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load, save
from torch import nn

from cgkit.components.discriminators.multiscale import MultiscaleDiscriminator


def test_every_scale_has_its_own_network_and_is_downsampled_as_in_pix2pixhd():
    network = MultiscaleDiscriminator(3, width=2, layers=1, scales=3).double()
    images = torch.rand(2, 3, 48, 41, dtype=torch.float64)
    halved = nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False)
    scales = [images, halved(images), halved(halved(images))]
    logits = network(images)
    assert len(logits) == 3
    for scale_logits, image, discriminator in zip(logits, scales, network.discriminators, strict=True):
        assert torch.equal(scale_logits, discriminator(image))
    assert not torch.equal(network.discriminators[0](images), network.discriminators[1](images))


def test_a_constant_image_has_the_same_logits_at_every_scale():
    network = MultiscaleDiscriminator(3, width=2, layers=1, scales=2, norm="none")
    network.discriminators[1].load_state_dict(network.discriminators[0].state_dict())
    fine, coarse = network(torch.full((1, 3, 64, 64), 0.4))
    assert fine.isfinite().all()
    assert torch.allclose(fine[0, 0, 15, 15], coarse[0, 0, 7, 7])


@pytest.mark.parametrize(("layers", "scales"), [(3, 3), (1, 1), (1, 4), (2, 2)])
def test_it_accepts_images_of_its_least_size_and_refuses_smaller_ones(layers, scales):
    network = MultiscaleDiscriminator(1, width=2, layers=layers, scales=scales)
    least = network.least
    assert least == (3 * 2**layers - 1) * 2 ** (scales - 1) + 1
    for size in ((least, least), (least, least + 5)):
        assert len(network(torch.rand(1, 1, *size))) == scales
    with pytest.raises(ValueError, match=rf"height and width must be at least {least}$"):
        network(torch.rand(1, 1, least, least - 1))
    # The smallest scale sets the limit.
    with pytest.raises(ValueError, match="do not fit"):
        network.discriminators[-1](torch.rand(1, 1, network.discriminators[-1].least - 1, 200))


@pytest.mark.parametrize("options", [{"norm": "batch"}, {"affine": True}, {"spectral_norm": True}])
def test_its_state_survives_safetensors(options):
    first, second = (MultiscaleDiscriminator(3, width=2, layers=1, scales=2, **options) for _ in range(2))
    images = torch.rand(2, 3, 24, 24)
    first(images)  # updates the state of batch norm and spectral norm
    second.load_state_dict(load(save(first.state_dict())))
    for expected, logits in zip(first.eval()(images), second.eval()(images), strict=True):
        assert torch.equal(expected, logits)
