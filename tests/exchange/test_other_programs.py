"""Weights of UPIT, ganslate, DeepLIIF and pytorch-image-translation-models give the networks that these programs have.

The networks are reimplemented from the descriptions of those packages, with their tensor names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cgkit.plugins import Plugins
from cgkit.translation.translator import Translator
from tests.conftest import Result
from tests.exchange.published_networks import Unet, drawn

Cli = Callable[..., Result]
PADS: dict[str, type[nn.Module]] = {
    "reflect": nn.ReflectionPad2d,
    "replicate": nn.ReplicationPad2d,
    "zero": nn.ZeroPad2d,
}


class Block(nn.Module):
    """A residual block whose padding by zeros is part of the convolutions, as in all of these programs."""

    def __init__(self, width: int, norm: type[nn.Module], bias: bool, padding: str, dropout: bool, name: str) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for is_first in (True, False):
            layers += [] if padding == "zero" else [PADS[padding](1)]
            layers += [nn.Conv2d(width, width, 3, padding=int(padding == "zero"), bias=bias), norm(width)]
            layers += [nn.ReLU(), *([nn.Dropout(0.5)] if dropout else [])] if is_first else []
        self.add_module(name, nn.Sequential(*layers))

    def forward(self, features: Tensor) -> Tensor:
        (block,) = self.children()
        return features + block(features)


def layers_of(
    norm: type[nn.Module],
    *,
    bias: bool,
    padding: str = "reflect",
    outer: str = "reflect",
    dropout: bool = False,
    name: str = "conv_block",
    up_bias: bool | None = None,
    last_bias: bool = True,
    width: int = 4,
    blocks: int = 2,
) -> list[nn.Module]:
    layers: list[nn.Module] = [PADS[outer](3), nn.Conv2d(3, width, 7, bias=bias), norm(width), nn.ReLU()]
    for wide in (2 * width, 4 * width):
        layers += [nn.Conv2d(wide // 2, wide, 3, 2, 1, bias=bias), norm(wide), nn.ReLU()]
    layers += [Block(4 * width, norm, bias, padding, dropout, name) for _ in range(blocks)]
    up_bias = bias if up_bias is None else up_bias
    for wide in (4 * width, 2 * width):
        layers += [nn.ConvTranspose2d(wide, wide // 2, 3, 2, 1, 1, bias=up_bias), norm(wide // 2), nn.ReLU()]
    return [*layers, PADS[outer](3), nn.Conv2d(width, 3, 7, bias=last_bias), nn.Tanh()]


class Sequence(nn.Module):
    """DeepLIIF's and pytorch-image-translation-models' generator."""

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(images)


class Ganslate(Sequence):
    """ganslate's generator registers the first layers twice: also as `encoder`, with the same tensors."""

    def __init__(self, norm: type[nn.Module]) -> None:
        bias = norm is nn.InstanceNorm2d
        layers = layers_of(norm, bias=bias, up_bias=True, last_bias=bias)
        super().__init__(layers)
        self.encoder = nn.ModuleList(layers[:12])


def check_equal(cgkit: Cli, folder: Path, network: nn.Module, plugins: Plugins, *arguments: str) -> str:
    """Import `weights.pth` and compare; return what is printed."""
    result = cgkit("import", folder / "weights.pth", "--output", folder / "model", *arguments)
    assert result.code == 0, result.err
    image = torch.rand(3, 16, 24, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = (network(image[None] * 2 - 1)[0] + 1) / 2
    assert torch.allclose(Translator.load(folder / "model", plugins=plugins)(image), expected, atol=1e-5)
    return result.err


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize(("padding", "ours"), [("reflect", "reflection"), ("replicate", "replicate"), ("zero", "zero")])
def test_a_generator_of_upit(
    cgkit: Cli, tmp_path: Path, plugins: Plugins, padding: str, ours: str, dropout: bool
) -> None:
    layers = layers_of(nn.InstanceNorm2d, bias=True, padding=padding, dropout=dropout)
    network = drawn(nn.Sequential(*layers))
    other = drawn(nn.Sequential(*layers_of(nn.InstanceNorm2d, bias=True)), seed=1)
    critic = nn.Sequential(nn.Conv2d(3, 4, 4), nn.LeakyReLU(), nn.Conv2d(4, 1, 4))
    whole = nn.ModuleDict({"G_A": other, "G_B": network, "D_A": critic})
    torch.save({"model": whole.state_dict(), "opt": {"hypers": [{"lr": 1e-3}]}}, tmp_path / "weights.pth")
    printed = check_equal(cgkit, tmp_path, network, plugins, "--key", "model.G_B", "--padding", ours)
    assert f"padding {ours} was given" in printed


@pytest.mark.parametrize("norm", [nn.InstanceNorm2d, nn.BatchNorm2d])
def test_a_checkpoint_of_ganslate(cgkit: Cli, tmp_path: Path, plugins: Plugins, norm: type[nn.Module]) -> None:
    network, other = drawn(Ganslate(norm)), drawn(Ganslate(norm), seed=1)
    optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 1e-4}]}
    content = {"G_AB": network.state_dict(), "G_BA": other.state_dict(), "optimizer_G": optimizer}
    torch.save(content, tmp_path / "weights.pth")
    result = cgkit("import", tmp_path / "weights.pth", "--output", tmp_path / "model")
    assert result.code == 2
    assert "G_AB.model, G_BA.model" in result.err
    printed = check_equal(cgkit, tmp_path, network, plugins, "--key", "G_AB")
    assert "other tensors of the file are not used: encoder" in printed


def test_a_u_net_of_ganslate(cgkit: Cli, tmp_path: Path, plugins: Plugins) -> None:
    network = drawn(Unet(3, 3, 2, 3, norm="batch"))
    torch.save({"G": network.state_dict(), "D": {"model.0.weight": torch.ones(1)}}, tmp_path / "weights.pth")
    assert "unet" in check_equal(cgkit, tmp_path, network, plugins)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("norm", [nn.InstanceNorm2d, nn.BatchNorm2d, nn.Identity])
@pytest.mark.parametrize(("padding", "ours"), [("reflect", "reflection"), ("zero", "all-zero")])
def test_a_generator_of_deepliif(
    cgkit: Cli, tmp_path: Path, plugins: Plugins, padding: str, ours: str, norm: type[nn.Module], dropout: bool
) -> None:
    bias = norm is nn.InstanceNorm2d
    network = drawn(Sequence(layers_of(norm, bias=bias, padding=padding, outer=padding, dropout=dropout)))
    given = ()
    if norm is nn.Identity:
        given = ("--norm", "none")
        with torch.no_grad():  # no norm keeps the features from growing
            for parameter in network.parameters():
                parameter *= 0.3
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    printed = check_equal(cgkit, tmp_path, network, plugins, *given, "--padding", ours)
    assert f"padding {ours}" in printed


@pytest.mark.parametrize(("norm", "ours"), [(nn.InstanceNorm2d, "instance"), (nn.Identity, "none")])
def test_a_generator_of_pytorch_image_translation_models(
    cgkit: Cli, tmp_path: Path, plugins: Plugins, norm: type[nn.Module], ours: str
) -> None:
    network = drawn(Sequence(layers_of(norm, bias=False, name="block", blocks=1)))
    save_file(network.state_dict(), tmp_path / "weights.pth")  # safetensors, whatever the name says
    printed = check_equal(cgkit, tmp_path, network, plugins, "--norm", ours)
    assert "padding reflection assumed" in printed


@pytest.mark.parametrize("affine", [True, False])
def test_biases_before_batch_norms_are_moved_into_their_statistics(
    cgkit: Cli, tmp_path: Path, plugins: Plugins, affine: bool
) -> None:
    layers = layers_of(lambda width: nn.BatchNorm2d(width, affine=affine), bias=True)
    network = drawn(Sequence(layers))
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    printed = check_equal(cgkit, tmp_path, network, plugins, "--norm", "batch")
    assert "running statistics" in printed
