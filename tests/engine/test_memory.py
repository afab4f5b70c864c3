from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cgkit.engine.assembly import assemble
from cgkit.engine.memory import memory_of, refuse_oversized_step, spares_memory
from cgkit.errors import SpecError
from cgkit.plugins import Plugins
from cgkit.spec import resolve_spec
from tests.conftest import Result

HUNGRY = """
import torch
import cgkit


class Hungry(torch.nn.Module):
    def __init__(self, in_channels, out_channels):
        super().__init__()
        self.register_buffer("table", torch.empty(1 << 50))


@cgkit.hookimpl
def cgkit_register(registries):
    registries.generators.add("hungry", Hungry)
"""


@pytest.mark.parametrize(
    ("batch", "height", "width", "expected"),
    [(1, 128, 128, False), (1, 256, 256, True), (3, 128, 128, False), (4, 128, 128, True), (1, 128, 1024, True)],
)
def test_auto_saves_memory_for_large_batches_on_a_cpu(batch: int, height: int, width: int, expected: bool) -> None:
    assert spares_memory("auto", torch.empty(batch, 3, height, width)) is expected


def test_auto_does_not_save_memory_on_other_devices() -> None:
    images = torch.empty(16, 3, 512, 512, device="meta")
    assert not spares_memory("auto", images)
    assert spares_memory("balanced", images)
    assert spares_memory("low", images)


def test_fast_never_saves_memory() -> None:
    assert not spares_memory("fast", torch.empty(16, 3, 512, 512, device="meta"))


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_batch_larger_than_the_memory_is_refused_at_once(
    command: str, cgkit: Callable[..., Result], tiny_spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_spec.parent)
    result = cgkit(command, tiny_spec, "--set", "train.batch=65536", "--set", "data.size=4096")
    assert result.code == 7
    assert "train.batch: 65536 images of each domain of 4096 x 4096 pixels" in result.err
    assert "lower train.batch (and raise train.accumulate), or data.size" in result.err
    assert not (tiny_spec.parent / "runs").exists()


def test_a_batch_whose_activations_do_not_fit_is_refused_before_they_fill_the_memory(
    cgkit: Callable[..., Result], tiny_spec: Path
) -> None:
    memory = memory_of(torch.device("cpu"))
    assert memory is not None
    size = math.isqrt(memory // (65536 * 2 * 6 * 4 * 2)) // 4 * 4  # the images and their translations fill half of it
    result = cgkit("check", tiny_spec, "--set", "train.batch=65536", "--set", f"data.size={size}")
    assert result.code == 7
    assert f"a step with 65536 images of each domain of {size} x {size} pixels takes more than" in result.err
    assert 'set train.memory = "low"' in result.err


@pytest.mark.parametrize(
    "generator",
    [
        {"name": "resnet", "width": 8, "blocks": 2},
        {"name": "resnet", "width": 8, "blocks": 1, "upsample": "resize"},
        {"name": "unet", "width": 8, "depth": 4},
    ],
    ids=str,
)
def test_a_refused_step_really_keeps_as_much_for_its_gradients(generator: dict[str, Any], plugins: Plugins) -> None:
    values = {"data": {"source": "seasons", "size": 32}, "discriminator": {"name": "patch", "width": 4}}
    train = {"batch": 1000, "precision": "fp32"}
    spec = resolve_spec({**values, "generator": generator, "train": train}, plugins)
    model = assemble(spec, plugins).model
    kept: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        for network in model.generators.values():
            network(torch.rand(1, 3, 32, 32))
    weights = {weight.data_ptr() for weight in model.parameters()}
    of_an_image = sum(tensor.nbytes for pointer, tensor in kept.items() if pointer not in weights)
    refuse_oversized_step(spec, list(model.generators.values()), of_an_image * 1000, 1)
    with pytest.raises(SpecError, match="a step with 1000 images of each domain"):
        refuse_oversized_step(spec, list(model.generators.values()), of_an_image * 200, 1)
    refuse_oversized_step(spec, list(model.generators.values()), of_an_image * 200, 8)


@pytest.mark.parametrize(("kind", "place"), [("generator", "generator.a2b"), ("discriminator", "discriminator.a")])
def test_networks_larger_than_the_memory_are_refused_while_they_are_built(
    kind: str, place: str, plugins: Plugins
) -> None:
    values = {"data": {"source": "seasons"}, "generator": {"name": "resnet", "width": 2, "blocks": 0}}
    other = {"name": "resnet" if kind == "generator" else "patch", "width": 16}
    spec = resolve_spec({**values, "discriminator": {"name": "patch", "width": 2}, kind: other}, plugins)
    with pytest.raises(SpecError, match=f"{place}: the networks and their optimisers take more than") as error:
        assemble(spec, plugins, memory=100_000)
    assert error.value.exit_code == 7
    assert f"lower the options of {kind}" in str(error.value)
    assemble(spec, plugins)


def test_lack_of_memory_is_not_the_fault_of_a_plugin(
    cgkit: Callable[..., Result], tiny_spec: Path, tmp_path: Path
) -> None:
    plugin = tmp_path / "hungry.py"
    plugin.write_text(HUNGRY)
    tiny_spec.write_text(tiny_spec.read_text().replace('name = "resnet"\nwidth = 4\nblocks = 1', 'name = "hungry"'))
    result = cgkit("--plugin", plugin, "check", tiny_spec)
    assert result.code == 7
    assert "out of memory: " in result.err
    assert "hungry" not in result.err.replace(str(tmp_path), "")
