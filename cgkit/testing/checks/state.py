"""What is asked of state: that checkpoints hold it all, and evaluation changes none of it."""

from __future__ import annotations

import safetensors.torch
import torch
from torch import Tensor, nn

from cgkit.checkpoints import load_strictly
from cgkit.testing.check import NETWORKS, NotApplicableError, check
from cgkit.testing.subject import Subject, scales_of


@check(*NETWORKS, "adversarial_losses", "reconstruction_losses", "augmentations")
def state_survives_safetensors(subject: Subject) -> None:
    """What it holds goes through a file and into another one bit for bit; no two tensors share memory."""
    module = subject.build(seed=1)
    if not isinstance(module, nn.Module):
        raise NotApplicableError
    state = module.state_dict()
    strange = [name for name, value in state.items() if not isinstance(value, Tensor)]
    assert not strange, f"its state holds {strange[0]}, which is no tensor"
    places: dict[int, str] = {}
    for name, tensor in state.items():
        if tensor.numel():
            place = tensor.untyped_storage().data_ptr()
            assert place not in places, f"{name} and {places[place]} share their memory"
            places[place] = name
    saved = safetensors.torch.load(safetensors.torch.save({name: one.contiguous() for name, one in state.items()}))
    again = subject.build(seed=2)
    load_strictly(again, saved, what=subject.component.name)
    loaded = again.state_dict()
    different = [name for name in state if not torch.equal(state[name], loaded[name])]
    assert not different, f"{different[0]} is another after it was saved and loaded"
    if subject.kind in NETWORKS:
        images = subject.images()
        with torch.no_grad():
            one, other = scales_of(module.eval()(images)), scales_of(again.eval()(images))
        same = all(torch.equal(first, second) for first, second in zip(one, other, strict=True))
        assert same, "makes something else after it was saved and loaded: it holds more than its state_dict tells"


@check(*NETWORKS)
def evaluation_changes_nothing(subject: Subject) -> None:
    """In evaluation mode nothing of its state changes; what remembers images, remembers where it learns alone."""
    network, images = subject.network(), subject.images(2)
    before = _state(network)
    with torch.no_grad():
        network(images)
    changed = _changed(network, before)
    assert not changed, f"showing it an image in evaluation mode changed {changed[0]}"
    if not getattr(network, "remembers_images", False):
        return
    with torch.no_grad():
        network.train()
        for real in (True, False):
            network(images, real=real, learning=False)
        changed = [name for name in _changed(network, before) if "memor" in name or "queue" in name]
        assert not changed, f"remembered images that it did not learn from, in {changed[0]}"
        network(images, real=True, learning=True)
        network(images, real=False, learning=True)
    assert _changed(network, before), "declares remembers_images, but remembers nothing in its buffers"


def _state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _changed(network: nn.Module, before: dict[str, Tensor]) -> list[str]:
    return [name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])]
