"""Checks that all random draws are determined by torch's seed."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgkit.data.randomness import seeded
from cgkit.testing.check import LOSSES, NETWORKS, check
from cgkit.testing.subject import Subject
from cgkit.testing.usage import outcome

RANDOM = (*NETWORKS, *LOSSES, "augmentations", "metrics")


@check(*RANDOM)
def is_decided_by_torchs_seed(subject: Subject) -> None:
    """With the same torch seed, the results are the same, whether the component is built again or its state reset."""
    component = subject.build(seed=1)
    state = copy.deepcopy(component.state_dict()) if isinstance(component, nn.Module) else None
    first = _use(subject, component)
    _check_same(first, _use(subject, subject.build(seed=1)), "two uses with the same torch seed differ")
    if isinstance(component, nn.Module):
        component.load_state_dict(state or {})
    _check_same(
        first,
        _use(subject, component),
        "a second use with the same seed, from the same state, differs: it has a random generator of its own, or"
        " state outside its state_dict",
    )


@check(*RANDOM)
def draws_from_torch_alone(subject: Subject) -> None:
    """The component uses no random generator of Python or numpy, because checkpoints do not contain their states."""
    before = random.getstate(), str(np.random.get_state())
    _use(subject, subject.build(seed=1))
    assert random.getstate() == before[0], "draws from Python's random module: use torch's random numbers"
    assert str(np.random.get_state()) == before[1], "draws from numpy: use torch's random numbers"


@check("generators")
def evaluation_is_not_random(subject: Subject) -> None:
    """In evaluation mode, a generator is deterministic and draws no random numbers."""
    network, images = subject.network(), subject.images()
    state = torch.get_rng_state()
    with torch.no_grad():
        first, second = network(images), network(images)
    assert torch.equal(first, second), "two translations of the same image differ in evaluation mode"
    assert torch.equal(torch.get_rng_state(), state), "draws random numbers in evaluation mode"


def _use(subject: Subject, component: Any) -> list[Tensor]:
    with seeded(1):
        return [tensor.detach().clone() for tensor in outcome(subject, component)]


def _check_same(expected: list[Tensor], actual: list[Tensor], message: str) -> None:
    assert [tensor.shape for tensor in expected] == [tensor.shape for tensor in actual], f"{message} in shape"
    for first, second in zip(expected, actual, strict=True):
        assert torch.equal(first, second), message
