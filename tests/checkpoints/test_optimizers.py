"""A restored optimizer continues exactly as if it had never stopped."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from cgkit.checkpoints import Checkpoint, load_optimizer, optimizer_tensors, read_checkpoint, write_checkpoint
from cgkit.errors import CheckpointError

OPTIMIZERS = {
    "Adam": lambda groups: torch.optim.Adam(groups, betas=(0.5, 0.999), foreach=False),
    "Adam, foreach": lambda groups: torch.optim.Adam(groups, foreach=True),
    "Adam, fused": lambda groups: torch.optim.Adam(groups, fused=True),
    "Adam, amsgrad": lambda groups: torch.optim.Adam(groups, amsgrad=True),
    "Adam, tensor learning rate": lambda groups: torch.optim.Adam(groups, lr=torch.tensor(0.01), foreach=False),
    "AdamW, fused": lambda groups: torch.optim.AdamW(groups, fused=True),
    "SGD": lambda groups: torch.optim.SGD(groups),
    "SGD, momentum": lambda groups: torch.optim.SGD(groups, momentum=0.9),
    "RMSprop": lambda groups: torch.optim.RMSprop(groups, centered=True),
    "NAdam": lambda groups: torch.optim.NAdam(groups),
}


def network(dtype=torch.float32, memory_format=torch.channels_last):
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.PReLU(), nn.ConvTranspose2d(4, 3, 3, bias=False))
    return layers.to(dtype=dtype, memory_format=memory_format)


def groups(module):
    return [{"params": list(module[0].parameters()), "weight_decay": 0.1}, {"params": list(module[1:].parameters())}]


def train(module, optimizer, steps):
    weight = next(module.parameters())
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        images = torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=generator).to(weight.dtype)
        optimizer.zero_grad()
        module(images).square().mean().backward()
        optimizer.step()
    return [parameter.detach().clone() for parameter in module.parameters()]


def saved(module, optimizer, folder):
    tensors, state = optimizer_tensors(optimizer)
    files = {"model": module.state_dict(), "optimizer": tensors}
    found = read_checkpoint(write_checkpoint(folder, Checkpoint(3, files, {"optimizer": state}), keep=1))
    return found.tensors["model"], found.tensors["optimizer"], found.state["optimizer"]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=str)
def test_training_continues_bit_for_bit(folder, name, dtype, memory_format):
    module = network(dtype, memory_format)
    optimizer = OPTIMIZERS[name](groups(module))
    train(module, optimizer, range(3))
    weights, tensors, state = saved(module, optimizer, folder)
    uninterrupted = train(module, optimizer, range(3, 6))

    restored = network(dtype, memory_format)
    restored.load_state_dict(weights)
    fresh = OPTIMIZERS[name](groups(restored))
    load_optimizer(fresh, tensors, state)
    resumed = train(restored, fresh, range(3, 6))
    assert all(torch.equal(one, other) for one, other in zip(uninterrupted, resumed, strict=True))
    for parameter, entries in fresh.state.items():
        for value in entries.values():
            if isinstance(value, torch.Tensor) and value.ndim:
                assert value.stride() == parameter.stride()


def test_an_optimizer_that_has_not_stepped_is_restored(folder):
    module = network()
    optimizer = torch.optim.Adam(groups(module), lr=0.25)
    _, tensors, state = saved(module, optimizer, folder)
    assert tensors == {}
    fresh = torch.optim.Adam(groups(module))
    load_optimizer(fresh, tensors, state)
    assert fresh.state_dict() == optimizer.state_dict()


def test_tensors_are_named_after_their_parameters_and_options_are_json():
    module = network()
    optimizer = OPTIMIZERS["Adam, tensor learning rate"](groups(module))
    train(module, optimizer, range(1))
    tensors, state = optimizer_tensors(optimizer)
    assert {"0.exp_avg", "0.exp_avg_sq", "0.step", "3.exp_avg"} <= tensors.keys()
    assert state["groups"][0]["weight_decay"] == 0.1
    assert [group["lr"] for group in state["groups"]] == [torch.tensor(0.01).item()] * 2
    json.dumps(state, allow_nan=False)


def test_options_are_restored_but_the_implementation_is_kept():
    module = network()
    optimizer = torch.optim.Adam(groups(module), lr=torch.tensor(0.5), betas=(0.1, 0.2), foreach=False)
    train(module, optimizer, range(1))
    fresh = torch.optim.Adam(groups(module), lr=0.1, fused=True)
    load_optimizer(fresh, *optimizer_tensors(optimizer))
    group = fresh.param_groups[0]
    assert (group["lr"], group["betas"], group["weight_decay"]) == (0.5, (0.1, 0.2), 0.1)
    assert (group["fused"], group["foreach"]) == (True, None)

    back = torch.optim.Adam(groups(module), lr=torch.tensor(0.0), foreach=False)
    load_optimizer(back, *optimizer_tensors(fresh))
    assert isinstance(back.param_groups[1]["lr"], torch.Tensor)
    assert back.param_groups[1]["lr"].item() == 0.5


def test_loading_copies_the_tensors():
    module = network()
    optimizer = torch.optim.Adam(groups(module))
    train(module, optimizer, range(1))
    tensors, state = optimizer_tensors(optimizer)
    before = {name: tensor.clone() for name, tensor in tensors.items()}
    fresh = torch.optim.Adam(groups(module))
    load_optimizer(fresh, tensors, state)
    train(module, fresh, range(2))
    assert all(torch.equal(tensors[name], tensor) for name, tensor in before.items())


def renamed(old, new):
    def change(tensors, state):
        tensors[new] = tensors.pop(old)
        state["names"] = sorted(tensors)

    return change


CHANGES = {
    "another shape": lambda tensors, state: tensors.update({"0.exp_avg": torch.zeros(1, 2)}),
    "another dtype": lambda tensors, state: tensors.update({"0.exp_avg": tensors["0.exp_avg"].double()}),
    "a missing tensor": lambda tensors, state: tensors.pop("0.exp_avg"),
    "an extra tensor": lambda tensors, state: tensors.update({"0.other": torch.zeros(())}),
    "an unknown parameter": renamed("0.exp_avg", "4.exp_avg"),
    "a name that is not a number": renamed("0.exp_avg", "x.exp_avg"),
    "a number in other digits": renamed("0.exp_avg", "\u0660.exp_avg"),
    "a very long number": renamed("0.exp_avg", "9" * 5000 + ".exp_avg"),
    "a tensor of an unknown group": renamed("0.step", "group.2.lr"),
    "a tensor of a group": renamed("0.exp_avg", "group.0.lr"),
    "a missing group": lambda tensors, state: state["groups"].pop(),
    "parameters in another order": lambda tensors, state: state["groups"][0].update(params=[1, 0]),
    "no groups": lambda tensors, state: state.pop("groups"),
    "groups that are not tables": lambda tensors, state: state.update(groups=[1, 2]),
    "values that are not tables": lambda tensors, state: state.update(values={"0": 1}),
    "values of an unknown parameter": lambda tensors, state: state.update(values={"-1": {}}),
    "names that are not a list": lambda tensors, state: state.update(names=3),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_state_that_does_not_match_is_refused_and_nothing_changes(change):
    module = network()
    optimizer = torch.optim.Adam(groups(module))
    train(module, optimizer, range(2))
    tensors, state = optimizer_tensors(optimizer)
    tensors, state = dict(tensors), json.loads(json.dumps(state))
    CHANGES[change](tensors, state)
    fresh = torch.optim.Adam(groups(module), lr=0.125)
    with pytest.raises(CheckpointError, match="optimizer"):
        load_optimizer(fresh, tensors, state)
    assert fresh.state == {}
    assert fresh.param_groups[0]["lr"] == 0.125
