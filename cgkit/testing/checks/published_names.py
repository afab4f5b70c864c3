"""What is asked of generators that give their weights to other programs, and take theirs."""

from __future__ import annotations

from typing import Any

import torch

from cgkit.checkpoints import load_strictly
from cgkit.contracts import Recognised
from cgkit.options import build
from cgkit.testing.check import NotApplicableError, check
from cgkit.testing.subject import Subject, relative_difference

ROUNDING = 1e-9
"""How far apart two outputs in float64 may be, as a share of their length: equal networks may sum in another order."""


@check("generators")
def published_tensors_give_an_equal_network(subject: Subject) -> None:
    """What it gives to other programs it recognises, and builds the same network of."""
    target: Any = subject.component.load()
    if not hasattr(target, "published_tensors"):
        raise NotApplicableError
    for given, made in ((3, 3), (1, 2)):
        network: Any = subject.network(given, made, dtype=torch.float64)
        try:
            tensors = network.published_tensors()
        except ValueError:  # the other program has no such network: another one must be asked for by `example`
            raise NotApplicableError from None
        attached = [name for name, tensor in tensors.items() if tensor.requires_grad]
        assert not attached, f"published_tensors() gives {attached[0]} with its history: detach it"
        found = target.recognise(dict(tensors))
        assert isinstance(found, Recognised), "does not recognise what its published_tensors() gives"
        channels = found.in_channels, found.out_channels
        assert channels == (given, made), f"recognises {channels} in place of {(given, made)} channels"
        again = build(subject.component, *channels, options=found.options).double().eval()
        state = {name: one.double() if one.is_floating_point() else one for name, one in found.state.items()}
        load_strictly(again, state, what=subject.component.name)
        images = subject.images(2, given, dtype=torch.float64)
        with torch.no_grad():
            difference = relative_difference(again(images), network(images))
        assert difference < ROUNDING, f"recognises another network: {difference:.2g} of what it makes differs"


@check("generators")
def strange_tensors_are_not_recognised(subject: Subject) -> None:
    """Shown the tensors of another network, it says that it does not know them, and leaves them as they are."""
    recognise = getattr(subject.component.load(), "recognise", None)
    if recognise is None:
        raise NotApplicableError
    for tensors in ({}, {"somebody.elses": torch.ones(3)}, {"0.weight": torch.ones(2, 3), "0.bias": torch.ones(2)}):
        shown = dict(tensors)
        found = recognise(shown)
        assert found is None, f"takes {', '.join(tensors) or 'a file without tensors'} for its own: return None"
        assert shown.keys() == tensors.keys(), "changes the table of tensors that it is shown"
