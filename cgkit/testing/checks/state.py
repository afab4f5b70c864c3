"""Checks that checkpoints hold the complete state of a component, and that evaluation does not change it."""

from __future__ import annotations

import safetensors.torch
import torch
from torch import Tensor, nn

from cgkit.abilities import remembers_images
from cgkit.checkpoints import load_strictly
from cgkit.testing.check import NETWORKS, NotApplicableError, check
from cgkit.testing.subject import Subject, scales_of


@check(*NETWORKS, "adversarial_losses", "reconstruction_losses", "terms", "augmentations")
def state_survives_safetensors(subject: Subject) -> None:
    """The component's state can be saved and loaded bit for bit; no two of its tensors share memory."""
    module = subject.build(seed=1)
    if not isinstance(module, nn.Module):
        raise NotApplicableError
    state = module.state_dict()
    others = [name for name, value in state.items() if not isinstance(value, Tensor)]
    assert not others, f"its state contains {others[0]}, which is not a tensor"
    owners: dict[int, str] = {}
    for name, tensor in state.items():
        if tensor.numel():
            address = tensor.untyped_storage().data_ptr()
            assert address not in owners, f"{name} and {owners[address]} share memory"
            owners[address] = name
    contiguous = {name: tensor.contiguous() for name, tensor in state.items()}
    saved = safetensors.torch.load(safetensors.torch.save(contiguous))
    restored = subject.build(seed=2)
    load_strictly(restored, saved, what=subject.component.name)
    different = _changed(restored, state)
    assert not different, f"{different[0]} changed when it was saved and loaded"
    if subject.kind in NETWORKS:
        images = subject.images()
        with torch.no_grad():
            before, after = scales_of(module.eval()(images)), scales_of(restored.eval()(images))
        same = all(torch.equal(first, second) for first, second in zip(before, after, strict=True))
        assert same, "its output changed when it was saved and loaded: it has state outside its state_dict"


@check(*NETWORKS)
def evaluation_changes_nothing(subject: Subject) -> None:
    """Evaluation does not change a network's state; a discriminator remembers only images that it is trained on."""
    network, images = subject.network(), subject.images(2)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        network(images)
    changed = _changed(network, before)
    assert not changed, f"a forward pass in evaluation mode changed {changed[0]}"
    if not remembers_images(network):
        return
    with torch.no_grad():
        network.train()
        for real in (True, False):
            network(images, real=real, learning=False)
        changed = [name for name in _changed(network, before) if "memor" in name or "queue" in name]
        assert not changed, f"remembered images with learning=False, in {changed[0]}"
        network(images, real=True, learning=True)
        network(images, real=False, learning=True)
    assert _changed(network, before), "declares remembers_images, but its buffers did not change"


def _changed(module: nn.Module, before: dict[str, Tensor]) -> list[str]:
    after = module.state_dict()
    return [name for name, tensor in before.items() if not torch.equal(tensor, after[name])]
