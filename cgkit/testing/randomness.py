"""What is asked of randomness: that a seed decides everything."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from cgkit.contracts import Augmentation
from cgkit.testing.checks import NETWORKS, check
from cgkit.testing.subject import Subject, functional, scales_of

RANDOM = (*NETWORKS, "augmentations")


@check(*RANDOM)
def is_decided_by_torchs_seed(subject: Subject) -> None:
    """Built and run twice under one seed of torch's, it does the same."""
    one, other = (_everything(subject, seed=1) for _ in range(2))
    assert len(one) == len(other), "two that were built under one seed differ in their tensors"
    for first, second in zip(one, other, strict=True):
        assert first.shape == second.shape, "two runs under one seed differ in shape"
        assert torch.equal(first, second), "two runs under one seed of torch's differ"


@check(*RANDOM)
def draws_from_torch_alone(subject: Subject) -> None:
    """It draws nothing from Python's or numpy's random numbers, which no checkpoint keeps."""
    before = random.getstate(), str(np.random.get_state())
    _everything(subject, seed=1)
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


def _everything(subject: Subject, seed: int) -> list[Tensor]:
    """Return all tensors that building and running a component yields, under a seed."""
    made = subject.build(seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if subject.kind == "augmentations":
            return [run_augmentation(made, torch.rand(1, 3, 32, 32))]
        network: nn.Module = made
        out = network.train()(subject.images(2))
        torch.autograd.backward(functional(out))
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return [*network.state_dict().values(), *scales_of(out), *gradients]


def run_augmentation(augmentation: Augmentation, images: Tensor, size: tuple[int, int] = (24, 24)) -> Tensor:
    """Return images as an augmentation changes them, called as its role asks for."""
    function: Callable[..., Any] = augmentation
    made: Tensor = function(images, size) if augmentation.role == "framing" else function(images)
    return made
