"""The training step computes what the published implementation computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from cgkit.components.layers.winograd import Convolution3x3
from cgkit.data.loading import Batch
from cgkit.engine import precision
from cgkit.engine.assembly import assemble
from cgkit.engine.precision import Precision
from cgkit.engine.trainer import Trainer
from cgkit.plugins import Plugins
from cgkit.spec import resolve_spec

from .published import load_published

Tensors = Callable[[str], dict[str, torch.Tensor]]
Losses = Callable[[str], list[dict[str, float]]]
NAMES = {
    # The publication's D_A judges images of domain B.
    "G_A": "adversarial_a2b",
    "G_B": "adversarial_b2a",
    "cycle_A": "cycle_forward",
    "cycle_B": "cycle_backward",
    "idt_A": "identity_b",
    "idt_B": "identity_a",
    "D_A": "discriminator_b",
    "D_B": "discriminator_a",
}
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
EXACT = 1e-9 if DEVICE.type == "cpu" else 1e-6
"""On a GPU, fused Adam rounds the learning rate to float32."""
CASES = [("lsgan_resnet9_ngf8", "least-squares", 9), ("bce_resnet6_ngf8", "bce", 6)]


def _trainer(
    plugins: Plugins, tensors: dict[str, torch.Tensor], loss: str, blocks: int, precision: str, memory: str = "fast"
) -> tuple[Trainer, dict[str, torch.Tensor]]:
    values = {
        "data": {"source": "seasons", "size": 64},
        "generator": {"name": "resnet", "width": 8, "blocks": blocks},
        "discriminator": {"name": "patch", "width": 8},
        "adversarial_loss": {"name": loss},
        "schedule": {"name": "constant"},
        "augmentation": [],
        "train": {"steps": 8, "image_pool": 0, "precision": precision, "memory": memory},
    }
    spec = resolve_spec(values, plugins)
    assembly = assemble(spec, plugins)
    chosen = Precision(precision, DEVICE)
    networks = {
        "G_A": assembly.model.generators["a2b"],
        "G_B": assembly.model.generators["b2a"],
        "D_A": assembly.model.discriminators["b"],
        "D_B": assembly.model.discriminators["a"],
    }
    for prefix, network in networks.items():
        own = {key.removeprefix(f"{prefix}."): value for key, value in tensors.items() if key.startswith(f"{prefix}.")}
        load_published(network.double(), own)
    return Trainer(
        assembly,
        spec,
        steps=8,
        epoch_steps=8,
        precision=chosen,
    )


@pytest.mark.gpu
@pytest.mark.parametrize("memory", ["fast", "balanced", "low"])
@pytest.mark.parametrize(("case", "loss", "blocks"), CASES)
def test_every_loss_of_every_step_agrees_in_float64(
    plugins: Plugins, golden_tensors: Tensors, golden_losses: Losses, case: str, loss: str, blocks: int, memory: str
) -> None:
    tensors = golden_tensors(case)
    training = _trainer(plugins, tensors, loss, blocks, "fp64", memory)
    for number, published in enumerate(golden_losses(case)):
        batch = Batch(tensors["input.A"][number], tensors["input.B"][number], ("a",), ("b",))
        losses = training.step([batch])
        assert {theirs: float(losses[ours]) for theirs, ours in NAMES.items()} == pytest.approx(published, rel=EXACT)


@pytest.mark.parametrize("memory", ["fast", "balanced"])
def test_the_memory_format_of_large_images_changes_no_loss(
    plugins: Plugins, golden_tensors: Tensors, golden_losses: Losses, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    monkeypatch.setattr(precision, "CHANNELS_LAST_FROM", 0)
    monkeypatch.setattr(Convolution3x3, "LEAST_SIDE", 0)
    monkeypatch.setattr(Convolution3x3, "LEAST_CHANNELS", 0)
    test_every_loss_of_every_step_agrees_in_float64(plugins, golden_tensors, golden_losses, *CASES[0], memory)


@pytest.mark.parametrize(("case", "loss", "blocks"), CASES)
def test_the_first_step_agrees_in_float32(
    plugins: Plugins, golden_tensors: Tensors, golden_losses: Losses, case: str, loss: str, blocks: int
) -> None:
    tensors = golden_tensors(case)
    training = _trainer(plugins, tensors, loss, blocks, "fp32")
    losses = training.step([Batch(tensors["input.A"][0].float(), tensors["input.B"][0].float(), ("a",), ("b",))])
    computed = {theirs: float(losses[ours]) for theirs, ours in NAMES.items()}
    assert computed == pytest.approx(golden_losses(case)[0], rel=1e-5)
