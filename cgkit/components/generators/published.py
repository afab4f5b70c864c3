"""What the published networks of this family have in common in their files: convolutions, and the norms after them.

As in the PyTorch code of CycleGAN and pix2pix (Zhu et al., 2017; Isola et al., 2017). There a convolution has a bias
where the network's norms are over one image, and none where they are over the batch or where it has no norms; the last
one always has. A norm over the batch has a scale and a shift. One over one image has neither, and in files of old
versions of PyTorch it carries running statistics, which the published code throws away when it loads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cgkit.components.layers.normalisation import Norm, Normalisation

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_PARTS = ("weight", "bias", *_STATISTICS)


@dataclass(frozen=True)
class Place:
    """A convolution and the norm that follows it, if one does, by the names that they have here and as published.

    `last` says that it is the network's last one.
    """

    ours: str
    published: str
    our_norm: str | None = None
    published_norm: str | None = None
    last: bool = False


def fill(tensors: Mapping[str, Tensor], places: Sequence[Place]) -> bool:
    """Return whether tensors fill the places by their names: every convolution is there, and nothing else is."""
    layers = [name for place in places for name in (place.published, place.published_norm) if name is not None]
    known = {f"{layer}.{part}" for layer in layers for part in _PARTS}
    weights = [tensors.get(f"{place.published}.weight") for place in places]
    return known >= tensors.keys() and all(weight is not None and weight.ndim == 4 for weight in weights)


def norms_of(tensors: Mapping[str, Tensor], places: Sequence[Place]) -> tuple[Normalisation, tuple[str, ...]]:
    """Return the norms that published tensors are for, and what a user should know of them."""
    place = next(place for place in places if place.published_norm is not None)
    affine = f"{place.published_norm}.weight" in tensors
    running = f"{place.published_norm}.running_mean" in tensors
    biased = f"{place.published}.bias" in tensors
    if running and not biased:
        remark = "it normalises with the statistics of its training, as the published code does with --eval"
        return Normalisation("batch", affine), (remark,)
    if running:
        remark = "the running statistics of its instance norms are left out, as the published code leaves them out"
        return Normalisation("instance", affine), (remark,)
    kind: Norm = "instance" if affine or biased else "none"
    return Normalisation(kind, affine), ()


def state_from(tensors: Mapping[str, Tensor], places: Sequence[Place], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of our network from published tensors, without the biases that a norm takes away.

    Args:
        tensors: the published ones.
        places: where each of them belongs.
        own: the state of a network like ours, for names and shapes.

    Raises:
        ValueError: one is missing, has another shape, or has no counterpart in ours and an effect.
    """
    state: dict[str, Tensor] = {}
    for place in places:
        for ours, published in ((place.ours, place.published), (place.our_norm, place.published_norm)):
            for part in _PARTS if ours is not None else ():
                name, key = f"{published}.{part}", f"{ours}.{part}"
                tensor = tensors.get(name)
                without_effect = part in _STATISTICS or (place.our_norm is not None and ours == place.ours)
                if key in own:
                    state[key] = _fitting(tensor, own[key], name)
                elif tensor is not None and not without_effect:
                    raise ValueError(f"{name} has no place in the network that the other tensors are for")
    return state


def _fitting(tensor: Tensor | None, own: Tensor, name: str) -> Tensor:
    if tensor is None and name.endswith((".bias", ".num_batches_tracked")):
        return torch.zeros(own.shape, dtype=own.dtype)  # what the published network does without
    if tensor is None:
        raise ValueError(f"{name} is missing")
    if tensor.shape != own.shape:
        raise ValueError(f"{name} is {_shape(tensor)}, where the other tensors ask for {_shape(own)}")
    return tensor


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def published_from(network: nn.Module, places: Sequence[Place], norms: Normalisation) -> dict[str, Tensor]:
    """Return the published tensors of our network: zeros for the biases that ours does without.

    Raises:
        ValueError: ours has biases that the published network has no place for.
    """
    own = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    published: dict[str, Tensor] = {}
    for place in places:
        published[f"{place.published}.weight"] = weight = own[f"{place.ours}.weight"]
        bias = own.get(f"{place.ours}.bias")
        if norms.kind == "instance" or place.last:
            channels = int(network.get_submodule(place.ours).out_channels)  # type: ignore[arg-type]
            published[f"{place.published}.bias"] = weight.new_zeros(channels) if bias is None else bias
        elif bias is not None and bool(bias.any()):
            raise ValueError(f"the published network has no norm and no bias at {place.published}, and this one has")
        if place.our_norm is not None:
            parts = {part: own[key] for part in _PARTS if (key := f"{place.our_norm}.{part}") in own}
            if norms.kind == "batch":
                neutral = {
                    "weight": torch.ones_like(parts["running_var"]),
                    "bias": torch.zeros_like(parts["running_var"]),
                }
                parts = {**neutral, **parts}
            published |= {f"{place.published_norm}.{part}": tensor for part, tensor in parts.items()}
    return published
