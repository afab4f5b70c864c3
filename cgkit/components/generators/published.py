"""Conversion of weights between the published generators and ours: convolutions and norms.

The published code is the PyTorch code of CycleGAN and pix2pix (Zhu et al., 2017; Isola et al., 2017). Its convolutions
have a bias in networks with instance norm, but not in networks with batch norm or without norms; the last convolution
always has a bias. Batch norms have a scale and a shift; instance norms have neither. In files from old PyTorch
versions, instance norms carry running statistics, which the published code discards on loading. Other code differs in
all of this, so that several networks may fit the same tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor, nn

from cgkit.components.layers.normalisation import Normalisation
from cgkit.contracts import Options, Recognised

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_PARTS = ("weight", "bias", *_STATISTICS)


@dataclass(frozen=True)
class Layer:
    """The names of a convolution and of the norm after it, if any, in our network and in the published one.

    `last` marks the last convolution of the network.
    """

    ours: str
    published: str
    our_norm: str | None = None
    published_norm: str | None = None
    last: bool = False


def names_match(tensors: Mapping[str, Tensor], layers: Sequence[Layer]) -> bool:
    """Return whether the names match the layers: every convolution has a 4-d weight, and no tensor is left over."""
    names = [name for layer in layers for name in (layer.published, layer.published_norm) if name is not None]
    known = {f"{name}.{part}" for name in names for part in _PARTS}
    weights = [tensors.get(f"{layer.published}.weight") for layer in layers]
    return known >= tensors.keys() and all(weight is not None and weight.ndim == 4 for weight in weights)


def recognise_any(
    tensors: Mapping[str, Tensor],
    layers: Sequence[Layer],
    generator: Callable[..., nn.Module],
    channels: tuple[int, int],
    options: Options,
    paddings: Sequence[str] = (),
) -> Recognised:
    """Recognise every network that published tensors fit, the most usual first.

    `options` are what the tensors tell about our network, without norms; `paddings` are the values left for `padding`.

    Raises:
        ValueError: a tensor is missing, has the wrong shape, or has an effect but no counterpart in our network.
    """
    found: list[Recognised] = []
    norms, is_usual = _fitting_norms(tensors, layers)
    for (norm, remark), padding in product(norms, [{"padding": padding} for padding in paddings] or [{}]):
        chosen = {**options, "norm": norm.kind, "affine": norm.affine, **padding}
        with torch.device("meta"):
            own = generator(*channels, **chosen).state_dict()
        try:
            state = convert_from_published(tensors, layers, own)
        except ValueError:
            if not found:
                raise
        else:
            found.append(Recognised(*channels, chosen, state, (remark,) if remark else ()))
    return replace(found[0], alternatives=tuple(found[1:]), undecided=() if is_usual else ("norm",))


def _fitting_norms(
    tensors: Mapping[str, Tensor], layers: Sequence[Layer]
) -> tuple[list[tuple[Normalisation, str]], bool]:
    """Return the norms that fit the tensors, each with a remark, and whether the first of them is the usual one."""
    layer = next(layer for layer in layers if layer.published_norm is not None)
    affine = f"{layer.published_norm}.weight" in tensors
    biased = f"{layer.published}.bias" in tensors
    instance, none = Normalisation("instance", affine), Normalisation("none", False)
    if f"{layer.published_norm}.running_mean" in tensors:
        used = "its batch norms use their running statistics, as in the published code with --eval"
        ignored = "the running statistics of its instance norms are ignored, as in the published code"
        norms = [(Normalisation("batch", affine), used), (instance, ignored)]
        return norms[:: -1 if biased and not affine else 1], not (biased and affine)
    if affine:
        return [(instance, "")], True
    return [(instance, ""), (none, "")][:: 1 if biased else -1], biased


def convert_from_published(
    tensors: Mapping[str, Tensor], layers: Sequence[Layer], own: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the state of our network for published tensors, without biases that a norm cancels.

    `own` is a state of our network, which determines the names and shapes of the result.

    Raises:
        ValueError: a tensor is missing, has the wrong shape, or has an effect but no counterpart in our network.
    """
    state: dict[str, Tensor] = {}
    for layer in layers:
        for ours, published in ((layer.ours, layer.published), (layer.our_norm, layer.published_norm)):
            for part in _PARTS if ours is not None else ():
                name, key = f"{published}.{part}", f"{ours}.{part}"
                tensor = tensors.get(name)
                without_effect = part in _STATISTICS or (layer.our_norm is not None and ours == layer.ours)
                if key in own:
                    state[key] = _check_shape(tensor, own[key], name)
                    bias = tensors.get(f"{layer.published}.bias")
                    if part == "running_mean" and bias is not None:
                        state[key] = state[key] - bias  # the convolution before our norm has no bias
                elif tensor is not None and not without_effect:
                    raise ValueError(f"{name} does not belong to the network that the other tensors describe")
    return state


def _check_shape(tensor: Tensor | None, own: Tensor, name: str) -> Tensor:
    if tensor is None and name.endswith((".bias", ".num_batches_tracked")):
        # These tensors may be missing: convolutions in published networks without norms have no bias, and files from
        # old PyTorch versions do not count batches.
        return torch.zeros(own.shape, dtype=own.dtype)
    if tensor is None:
        raise ValueError(f"{name} is missing")
    if tensor.shape != own.shape:
        raise ValueError(f"{name} is {_format_shape(tensor)}, but the other tensors imply {_format_shape(own)}")
    return tensor


def _format_shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def convert_to_published(network: nn.Module, layers: Sequence[Layer], norms: Normalisation) -> dict[str, Tensor]:
    """Return the tensors of our network under their published names.

    Parameters that our network lacks get neutral values: 0 for biases, 1 for scales.

    Raises:
        ValueError: our network has a non-zero bias that the published network lacks.
    """
    own = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    published: dict[str, Tensor] = {}
    for layer in layers:
        published[f"{layer.published}.weight"] = weight = own[f"{layer.ours}.weight"]
        bias = own.get(f"{layer.ours}.bias")
        if norms.kind == "instance" or layer.last:
            channels = int(network.get_submodule(layer.ours).out_channels)  # type: ignore[arg-type]
            published[f"{layer.published}.bias"] = weight.new_zeros(channels) if bias is None else bias
        elif bias is not None and bool(bias.any()):
            raise ValueError(f"the published network without norms has no bias at {layer.published}, but this one has")
        if layer.our_norm is not None:
            parts = {part: own[key] for part in _PARTS if (key := f"{layer.our_norm}.{part}") in own}
            if norms.kind == "batch":
                neutral = {
                    "weight": torch.ones_like(parts["running_var"]),
                    "bias": torch.zeros_like(parts["running_var"]),
                }
                parts = {**neutral, **parts}
            published |= {f"{layer.published_norm}.{part}": tensor for part, tensor in parts.items()}
    return published
