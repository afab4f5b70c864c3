"""A network is found at any depth of a file, by any generator that recognises it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn

from cgkit.contracts import Recognised
from cgkit.errors import CheckpointError, UnknownComponentError, UsageError
from cgkit.exchange.recognition import recognise
from cgkit.plugins import Plugins, load_plugins

from .published_networks import Resnet, drawn


class Tint(nn.Module):
    """A plugin's generator."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_channels, out_channels, 1)

    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> Recognised | None:
        if set(tensors) != {"colour"}:
            return None
        if tensors["colour"].ndim != 2:
            raise ValueError("its colours have too many dimensions")
        outputs, inputs = tensors["colour"].shape
        return Recognised(inputs, outputs, {}, {"mix.weight": tensors["colour"][:, :, None, None]})


class Broken(Tint):
    @staticmethod
    def recognise(tensors: Mapping[str, Tensor]) -> Recognised | None:
        raise RuntimeError("it broke")


@pytest.fixture
def with_plugins() -> Callable[..., Plugins]:
    def make(**generators: type) -> Plugins:
        plugins = load_plugins(installed=False)
        for name, generator in generators.items():
            plugins.registries.generators.add(name, generator)
        return plugins

    return make


def resnet(prefix: str = "", seed: int = 0) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in drawn(Resnet(3, 1, 4, 1), seed).state_dict().items()}


@pytest.mark.parametrize("prefix", ["", "module.", "state_dict.module.", "checkpoint.nets.netG."])
def test_a_network_is_found_under_any_prefix(plugins: Plugins, prefix: str) -> None:
    match = recognise({**resnet(prefix), **({"optimizer.step": torch.ones(1)} if prefix else {})}, plugins)
    assert match.key == prefix.rstrip(".")
    assert match.component.name == "resnet"
    assert match.recognised.options["width"] == 4


def test_one_of_several_networks_must_be_chosen(plugins: Plugins) -> None:
    both = {**resnet("nets.G_A.", 0), **resnet("nets.G_B.", 1)}
    with pytest.raises(UsageError, match=r"several networks: nets\.G_A, nets\.G_B.*--key"):
        recognise(both, plugins)
    match = recognise(both, plugins, key="nets.G_B")
    assert torch.equal(match.recognised.state["layers.1.weight"], both["nets.G_B.model.1.weight"])
    with pytest.raises(UsageError, match=r'begins with nest\.; did you mean "nets"'):
        recognise(both, plugins, key="nest")


def test_a_plugins_generator_recognises_its_own_weights(with_plugins: Callable[..., Plugins]) -> None:
    plugins = with_plugins(tint=Tint)
    assert recognise({"module.colour": torch.ones(1, 3)}, plugins).component.name == "tint"
    with pytest.raises(CheckpointError, match="too many dimensions"):
        recognise({"module.colour": torch.ones(1, 3, 1)}, plugins)


def test_a_generator_that_fails_does_not_affect_the_others(with_plugins: Callable[..., Plugins]) -> None:
    plugins = with_plugins(broken=Broken, tint=Tint)
    assert recognise({"colour": torch.ones(1, 3)}, plugins).component.name == "tint"
    with pytest.raises(CheckpointError, match=r'generator "broken" .* failed: RuntimeError: it broke'):
        recognise({"other": torch.ones(1, 3)}, plugins)


def test_one_of_several_generators_must_be_chosen(with_plugins: Callable[..., Plugins]) -> None:
    plugins = with_plugins(tint=Tint, dye=Tint)
    with pytest.raises(UsageError, match=r"several generators.*cgkit/dye, cgkit/tint.*--generator"):
        recognise({"colour": torch.ones(1, 3)}, plugins)
    assert recognise({"colour": torch.ones(1, 3)}, plugins, generator="dye").component.name == "dye"
    with pytest.raises(UnknownComponentError):
        recognise({"colour": torch.ones(1, 3)}, plugins, generator="die")


def test_unknown_tensors_are_reported_by_name(plugins: Plugins) -> None:
    with pytest.raises(CheckpointError, match=r"encoder\.weight.*no generator recognises it"):
        recognise({"encoder.weight": torch.ones(2)}, plugins)
