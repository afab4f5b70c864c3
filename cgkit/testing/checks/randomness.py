"""What is asked of randomness: that a seed decides everything."""

from __future__ import annotations

import copy
import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgkit.testing.check import LOSSES, NETWORKS, check
from cgkit.testing.subject import Subject
from cgkit.testing.usage import outcome

RANDOM = (*NETWORKS, *LOSSES, "augmentations", "metrics")


@check(*RANDOM)
def is_decided_by_torchs_seed(subject: Subject) -> None:
    """Under one seed of torch's it does the same: built anew, and used again from the state that it was in."""
    made = subject.build(seed=1)
    state = copy.deepcopy(made.state_dict()) if isinstance(made, nn.Module) else None
    first = _outcome(subject, made, seed=1)
    _check_same(first, _outcome(subject, subject.build(seed=1), seed=1), "two runs under one seed of torch's differ")
    if isinstance(made, nn.Module):
        made.load_state_dict(state or {})
    _check_same(
        first,
        _outcome(subject, made, seed=1),
        "used again under the same seed, from the same state, it does something else: it draws from a generator of"
        " its own, or keeps what its state_dict does not tell",
    )


@check(*RANDOM)
def draws_from_torch_alone(subject: Subject) -> None:
    """It draws nothing from Python's or numpy's random numbers, which no checkpoint keeps."""
    before = random.getstate(), str(np.random.get_state())
    _outcome(subject, subject.build(seed=1), seed=1)
    assert random.getstate() == before[0], "draws from Python's random module: take torch's random numbers"
    assert str(np.random.get_state()) == before[1], "draws from numpy: take torch's random numbers"


@check("generators")
def evaluation_is_not_random(subject: Subject) -> None:
    """In evaluation mode a generator makes the same of an image each time, and draws nothing."""
    network, images = subject.network(), subject.images()
    state = torch.get_rng_state()
    with torch.no_grad():
        one, other = network(images), network(images)
    assert torch.equal(one, other), "makes something else of one image each time, in evaluation mode"
    assert torch.equal(torch.get_rng_state(), state), "draws random numbers in evaluation mode"


def _outcome(subject: Subject, made: Any, seed: int) -> list[Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [tensor.detach().clone() for tensor in outcome(subject, made)]


def _check_same(one: list[Tensor], other: list[Tensor], difference: str) -> None:
    assert [first.shape for first in one] == [second.shape for second in other], f"{difference}, in their shapes"
    for first, second in zip(one, other, strict=True):
        assert torch.equal(first, second), difference
