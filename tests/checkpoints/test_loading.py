"""Saved tensors are loaded only if every name, shape and dtype matches."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from cgkit.checkpoints import load_strictly
from cgkit.errors import CheckpointError


def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def test_a_module_gets_the_saved_values_and_keeps_its_memory_format():
    one, other = network(), network().to(memory_format=torch.channels_last)
    load_strictly(other, {name: tensor.clone() for name, tensor in one.state_dict().items()}, what="model")
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())
    assert other[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_named_tensors_are_loaded_in_place():
    own = {"average": nn.Parameter(torch.zeros(2, 3))}
    load_strictly(own, {"average": torch.ones(2, 3)}, what="ema")
    assert own["average"].tolist() == [[1, 1, 1], [1, 1, 1]]


DIFFERENCES = {
    "missing": (lambda saved: saved.pop("0.bias"), "missing: 0.bias"),
    "unexpected": (lambda saved: saved.update(extra=torch.zeros(1)), "unexpected: extra"),
    "shape": (
        lambda saved: saved.update({"0.bias": torch.zeros(5)}),
        "different: 0.bias is float32 of shape (5,), expected float32 of shape (4,)",
    ),
    "scalar": (
        lambda saved: saved.update({"1.num_batches_tracked": torch.zeros(1, dtype=torch.int64)}),
        "different: 1.num_batches_tracked is int64 of shape (1,), expected int64 of shape ()",
    ),
} | {
    str(dtype): (
        lambda saved, dtype=dtype: saved.update({"0.bias": torch.zeros(4, dtype=dtype)}),
        f"different: 0.bias is {str(dtype).removeprefix('torch.')} of shape (4,), expected float32 of shape (4,)",
    )
    for dtype in (torch.float64, torch.bfloat16, torch.int8, torch.complex64)
}


@pytest.mark.parametrize("difference", DIFFERENCES)
def test_a_difference_is_an_error_and_nothing_is_copied(difference):
    change, message = DIFFERENCES[difference]
    module = network()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    saved = {name: tensor + 1 for name, tensor in before.items()}
    change(saved)
    with pytest.raises(CheckpointError) as error:
        load_strictly(module, saved, what="model")
    assert str(error.value) == f"model: the saved tensors do not match: {message}"
    assert all(torch.equal(tensor, module.state_dict()[name]) for name, tensor in before.items())
    own = {name: tensor.clone() for name, tensor in before.items()}
    with pytest.raises(CheckpointError, match="pool: the saved tensors do not match"):
        load_strictly(own, saved, what="pool")
    assert all(torch.equal(tensor, own[name]) for name, tensor in before.items())


def test_a_long_list_of_differences_is_abbreviated():
    with pytest.raises(CheckpointError, match=r"0\.weight, 0\.bias, 1\.weight and 4 more; unexpected: other"):
        load_strictly(network(), {"other": torch.zeros(1)}, what="model")


class LinearWithText(nn.Linear):
    def get_extra_state(self):
        return "text"


def test_a_module_whose_state_is_not_only_tensors_is_refused():
    with pytest.raises(CheckpointError, match="not a tensor here: _extra_state"):
        load_strictly(
            LinearWithText(1, 1), {**nn.Linear(1, 1).state_dict(), "_extra_state": torch.zeros(1)}, what="model"
        )
