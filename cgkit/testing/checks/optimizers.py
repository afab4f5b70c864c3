"""Checks of optimisers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cgkit.checkpoints import load_optimizer, optimizer_tensors
from cgkit.errors import CheckpointError
from cgkit.testing.check import check
from cgkit.testing.subject import Subject

STEPS = 60


def make_parameters() -> list[nn.Parameter]:
    """Return the parameters of a convolution and of a linear layer, always the same."""
    random = torch.Generator().manual_seed(0)
    shapes = ((4, 3, 3, 3), (4,), (2, 4))
    return [nn.Parameter(torch.randn(shape, generator=random)) for shape in shapes]


def take_step(optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter]) -> None:
    """Take a step towards zero: the gradient of half the sum of squares is the parameter itself."""
    for parameter in parameters:
        parameter.grad = parameter.detach().clone()
    optimizer.step()


@check("optimizers")
def optimizers_are_torchs(subject: Subject) -> None:
    """The component returns a `torch.optim.Optimizer` of all parameters, with the given learning rate."""
    parameters = make_parameters()
    optimizer = subject.build(parameters, 0.01)
    assert isinstance(optimizer, torch.optim.Optimizer), f"returns a {type(optimizer).__name__}"
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert len(held) == len(parameters), f"optimises {len(held)} of {len(parameters)} parameters"
    rates = {float(group["lr"]) for group in optimizer.param_groups}
    assert max(rates) == 0.01, f"has learning rate {max(rates)}; expected 0.01"


@check("optimizers")
def optimizers_minimise(subject: Subject) -> None:
    """Steps make a quadratic function smaller."""
    parameters = make_parameters()
    optimizer = subject.build(parameters, 0.02)
    before = _measure(parameters)
    for _ in range(STEPS):
        take_step(optimizer, parameters)
    after = _measure(parameters)
    assert after < before, f"after {STEPS} steps, a quadratic function grew from {before:.3g} to {after:.3g}"


@check("optimizers")
def optimizers_follow_the_learning_rate(subject: Subject) -> None:
    """With the learning rate set to 0 in the parameter groups, as a schedule does, a step changes no parameter."""
    parameters = make_parameters()
    optimizer = subject.build(parameters, 0.01)
    take_step(optimizer, parameters)
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    before = [parameter.detach().clone() for parameter in parameters]
    take_step(optimizer, parameters)
    same = all(torch.equal(*pair) for pair in zip(before, parameters, strict=True))
    assert same, "changes parameters although the learning rate is 0: read group['lr'] in every step"


@check("optimizers")
def optimizers_skip_parameters_without_gradients(subject: Subject) -> None:
    """Parameters without a gradient stay as they are, because an untrained network has none."""
    parameters = make_parameters()
    optimizer = subject.build(parameters, 0.01)
    before = parameters[1].detach().clone()
    parameters[0].grad = torch.ones_like(parameters[0])
    optimizer.step()
    assert torch.equal(parameters[1], before), "changes a parameter that has no gradient"


@check("optimizers")
def optimizers_resume_exactly(subject: Subject) -> None:
    """The state consists of tensors and JSON values; with it restored, training continues bit for bit."""
    parameters, others = make_parameters(), make_parameters()
    optimizer, restored = subject.build(parameters, 0.01), subject.build(others, 0.01)
    for _ in range(3):
        take_step(optimizer, parameters)
    tensors, values = optimizer_tensors(optimizer)
    saved = {name: tensor.clone() for name, tensor in tensors.items()}
    try:
        values = json.loads(json.dumps(values, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise AssertionError(f"its state has a value that is neither a tensor nor JSON: {error}") from None
    _copy(parameters, others)
    try:
        load_optimizer(restored, saved, values)
    except CheckpointError as error:
        raise AssertionError(f"its state cannot be restored: {error}") from None
    for _ in range(3):
        take_step(optimizer, parameters)
        take_step(restored, others)
    same = all(torch.equal(*pair) for pair in zip(parameters, others, strict=True))
    assert same, "continues differently after its state is saved and restored: it has state outside `state_dict()`"


def _measure(parameters: Sequence[Tensor]) -> float:
    return float(sum(parameter.detach().square().sum() for parameter in parameters))


@torch.no_grad()
def _copy(sources: Sequence[Any], targets: Sequence[Any]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
