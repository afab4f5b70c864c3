from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cgkit.errors import SpecError
from cgkit.plugins import load_plugins
from cgkit.runs.preparation import prepare
from cgkit.spec.loading import read_layers


class Returning(nn.Module):
    """A generator with a fault that an option chooses."""

    def __init__(self, in_channels: int, out_channels: int, *, what: str = "none") -> None:
        super().__init__()
        self.what = what

    def forward(self, images: torch.Tensor) -> object:
        results = {
            "none": None,
            "small": images[..., ::2, ::2],
            "infinite": images + float("inf"),
            "list": [images],
        }
        if self.what == "raise":
            raise RuntimeError("wires crossed")
        return results[self.what]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("none", "returns NoneType instead of a tensor"),
        ("list", "returns list instead of a tensor"),
        ("small", r"returns shape \(1, 3, 8, 8\), expected \(1, 3, 16, 16\)"),
        ("infinite", "not finite"),
        ("raise", "RuntimeError: wires crossed"),
    ],
)
def test_a_faulty_plugin_network_is_reported_before_training(tiny_spec: Path, what: str, message: str) -> None:
    plugins = load_plugins(installed=False)
    plugins.registries.generators.add("returning", Returning)
    with pytest.raises(SpecError, match=rf"generator\.a2b: .*{message}") as caught:
        prepare(read_layers(tiny_spec, ["generator.name=returning", f"generator.what={what}"]), plugins)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("discriminator.layers=3", r"discriminator\.a: images of 16x16 pixels do not fit"),
        ("cycle_loss.name=ssim", None),
        ("cycle_loss.window=31", r"cycle_loss: "),
    ],
)
def test_a_size_that_a_component_does_not_support_is_reported_before_training(
    tiny_spec: Path, override: str, message: str | None
) -> None:
    plugins = load_plugins(installed=False)
    overrides = ["cycle_loss.name=ssim", override] if "window" in override else [override]
    if message is None:
        prepare(read_layers(tiny_spec, overrides), plugins)
        return
    with pytest.raises(SpecError, match=message) as caught:
        prepare(read_layers(tiny_spec, overrides), plugins)
    assert caught.value.exit_code == 2


def test_the_checks_change_nothing(tiny_spec: Path) -> None:
    plugins = load_plugins(installed=False)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    prepared = prepare(read_layers(tiny_spec, ["discriminator.spectral_norm=true"]), plugins)
    assert torch.equal(torch.rand(1), expected)
    assert prepared.assembly.model.training


class Vector:
    """A loss that forgets to average."""

    def discriminator_loss(self, real_logits: torch.Tensor, fake_logits: torch.Tensor) -> torch.Tensor:
        return (real_logits - fake_logits).abs()

    def generator_loss(self, fake_logits: torch.Tensor) -> torch.Tensor:
        return fake_logits.mean()


class Unbounded:
    """A distance that is infinite for equal images."""

    def __call__(self, reconstruction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return 1 / (reconstruction - target).abs().mean()


@pytest.mark.parametrize(
    ("kind", "component", "message"),
    [
        ("adversarial_loss", Vector, r'adversarial loss "wrong" of cgkit returns shape .*, expected a scalar'),
        ("cycle_loss", Unbounded, r'reconstruction loss "wrong" of cgkit returns a number that is not finite'),
    ],
)
def test_a_loss_that_is_not_a_finite_scalar_is_reported_before_training(
    tiny_spec: Path, kind: str, component: type, message: str
) -> None:
    plugins = load_plugins(installed=False)
    registries = plugins.registries
    registry = registries.adversarial_losses if kind == "adversarial_loss" else registries.reconstruction_losses
    registry.add("wrong", component)
    with pytest.raises(SpecError, match=rf"{kind}: {message}") as caught:
        prepare(read_layers(tiny_spec, [f"{kind}.name=wrong"]), plugins)
    assert caught.value.exit_code == 4
