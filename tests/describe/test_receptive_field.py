"""Receptive fields are measured correctly, and measuring has no side effects."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cgkit.components.discriminators.multiscale import MultiscaleDiscriminator
from cgkit.components.discriminators.patch import PatchDiscriminator
from cgkit.components.discriminators.pixel import PixelDiscriminator
from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.describe.receptive_field import ReceptiveField, receptive_field


@pytest.mark.parametrize(("layers", "across"), [(1, 16), (2, 34), (3, 70), (4, 142)])
def test_patch_discriminators_have_the_published_receptive_fields(layers: int, across: int) -> None:
    network = PatchDiscriminator(3, width=4, layers=layers)
    assert receptive_field(network, 3, 256) == ReceptiveField(across, 2**layers)


def test_a_pixel_discriminator_has_a_field_of_one_pixel() -> None:
    assert receptive_field(PixelDiscriminator(1, width=4), 1, 32) == ReceptiveField(1, 1)


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [(3, 1, 1), (5, 2, 1), (3, 3, 2)])
def test_the_field_of_a_convolution_is_its_dilated_kernel(kernel: int, stride: int, dilation: int) -> None:
    network = nn.Conv2d(2, 3, kernel, stride=stride, dilation=dilation)
    across = dilation * (kernel - 1) + 1
    assert receptive_field(network, 2, 64) == ReceptiveField(across, stride)


def test_norms_and_relus_do_not_affect_the_measurement() -> None:
    body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
    normed = nn.Sequential(body[0], nn.GroupNorm(4, 4), nn.ReLU(), body[2], nn.BatchNorm2d(1).eval())
    assert receptive_field(body, 3, 32) == receptive_field(normed, 3, 32) == ReceptiveField(5, 1)


def test_a_field_that_reaches_the_border_is_none() -> None:
    assert receptive_field(PatchDiscriminator(3, width=4), 3, 64).across is None
    assert receptive_field(MultiscaleDiscriminator(3, width=4, scales=3), 3, 256).across is None


def test_measuring_changes_neither_torchs_generator_nor_the_network() -> None:
    network = ResnetGenerator(3, 3, width=4, blocks=1, dropout=0.5)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    assert receptive_field(network, 3, 64).across is not None
    assert torch.equal(torch.rand(1), expected)
    assert all(parameter.grad is None for parameter in network.parameters())
