"""A network may declare the memory format that it works in on a GPU."""

from __future__ import annotations

from torch import nn

from cgkit.abilities import works_in_channels_last
from cgkit.components.discriminators.multiscale import MultiscaleDiscriminator
from cgkit.components.generators.resnet import ResnetGenerator
from cgkit.components.generators.unet import UnetGenerator


class Declared(nn.Module):
    channels_last = True


def test_any_module_of_a_network_may_declare_it() -> None:
    assert works_in_channels_last(nn.Sequential(nn.ReLU(), Declared()))
    assert not works_in_channels_last(nn.Sequential(nn.ReLU()))


def test_the_built_in_networks_work_in_channels_last() -> None:
    for network in (ResnetGenerator(3, 3, width=2), UnetGenerator(3, 3, width=2), MultiscaleDiscriminator(3, width=2)):
        assert works_in_channels_last(network)
