"""Checks of generators that exchange weights with other programs."""

from __future__ import annotations

from typing import Any

import torch

from cgkit.checkpoints import load_strictly
from cgkit.contracts import Recognised
from cgkit.options import build
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject, relative_difference

ROUNDING = 1e-9
"""The largest relative difference, in float64, between outputs of equal networks that sum in different orders."""


@check("generators")
def published_tensors_give_an_equal_network(subject: Subject) -> None:
    """A generator recognises its own `published_tensors()`, and a generator rebuilt from them has the same outputs."""
    target: Any = subject.component.definition
    if not hasattr(target, "published_tensors"):
        raise NotApplicableError
    for channels in ((3, 3), (1, 2)):
        network: Any = subject.network(*channels, dtype=torch.float64)
        try:
            tensors = network.published_tensors()
        except ValueError:  # other programs have no equal network for these options
            raise NotApplicableError from None
        attached = [name for name, tensor in tensors.items() if tensor.requires_grad]
        assert not attached, f"published_tensors() returns {attached[0]} with its autograd history: detach it"
        recognised = target.recognise(dict(tensors))
        assert isinstance(recognised, Recognised), "does not recognise its own published_tensors()"
        actual = recognised.in_channels, recognised.out_channels
        assert actual == channels, f"recognises {actual} channels instead of {channels}"
        rebuilt = build(subject.component, *channels, options=recognised.options).double().eval()
        state = {
            name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in recognised.state.items()
        }
        load_strictly(rebuilt, state, what=subject.component.name)
        images = subject.images(2, channels[0], dtype=torch.float64)
        with torch.no_grad():
            difference = relative_difference(rebuilt(images), network(images))
        assert difference < ROUNDING, f"recognises a different network: outputs differ by {difference:.2g} (relative)"


@check("generators")
def strange_tensors_are_not_recognised(subject: Subject) -> None:
    """`recognise` returns None for the tensors of another network, and does not change its argument."""
    recognise = getattr(subject.component.definition, "recognise", None)
    if recognise is None:
        raise NotApplicableError
    for tensors in ({}, {"somebody.elses": torch.ones(3)}, {"0.weight": torch.ones(2, 3), "0.bias": torch.ones(2)}):
        argument = dict(tensors)
        recognised = recognise(argument)
        source = ", ".join(tensors) or "a file without tensors"
        assert recognised is None, f"recognises {source}, which is not its own: return None"
        assert argument.keys() == tensors.keys(), "changes the dictionary of tensors that it receives"
