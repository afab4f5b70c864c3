"""A checkpoint is read back bit for bit as it was written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given, settings
from safetensors.torch import load_file

from cgkit.checkpoints import Checkpoint, read_checkpoint, write_checkpoint
from cgkit.errors import CheckpointError, DivergedError

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64]
DTYPES += [torch.int64, torch.int32, torch.int16, torch.int8]
DTYPES += [torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool]
LAYOUTS = {
    "plain": lambda tensor: tensor,
    "reversed": lambda tensor: tensor.permute(tuple(reversed(range(tensor.ndim)))),
    "channels_last": lambda tensor: (
        tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
    ),
    "every other": lambda tensor: tensor[::2] if tensor.ndim else tensor,
    "repeated": lambda tensor: tensor.expand(3, *tensor.shape),
    "with a gradient": lambda tensor: tensor.requires_grad_() if tensor.is_floating_point() else tensor,
}


@st.composite
def tensors(draw):
    shape = draw(st.lists(st.integers(0, 4), max_size=4))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 1000)))
    tensor = (torch.randn(shape, generator=generator) * 50).to(draw(st.sampled_from(DTYPES)))
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](tensor)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
stems = st.from_regex(r"[a-z][a-z0-9_-]{0,7}", fullmatch=True)


@settings(max_examples=100, deadline=None)
@given(
    step=st.integers(0, 10**12),
    files=st.dictionaries(stems, st.dictionaries(names, tensors(), max_size=4), max_size=2),
    state=st.dictionaries(st.text(), values, max_size=3),
)
def test_any_tensors_and_json_are_read_back_bit_for_bit(same, step, files, state):
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Checkpoint(step, files, state)
        path = write_checkpoint(Path(folder), checkpoint, keep=1)
        assert same(read_checkpoint(path), checkpoint)
        for stem, contents in files.items():  # other programs can read the files too
            assert load_file(path / f"{stem}.safetensors").keys() == contents.keys()


def test_tensors_that_share_memory_are_separate_when_read(folder):
    whole = torch.arange(6.0)
    files = {"model": {"whole": whole, "again": whole, "part": whole[2:4]}}
    restored = read_checkpoint(write_checkpoint(folder, Checkpoint(1, files, {}), keep=1)).tensors["model"]
    assert restored["part"].tolist() == [2, 3]
    restored["whole"].zero_()
    assert restored["again"].tolist() == [0, 1, 2, 3, 4, 5]


def test_tensors_do_not_depend_on_the_files_after_reading(folder, small):
    path = write_checkpoint(folder, small(1), keep=1)
    weight = read_checkpoint(path).tensors["model"]["weight"]
    (path / "model.safetensors").write_bytes(bytes((path / "model.safetensors").stat().st_size))
    assert weight.tolist() == small(1).tensors["model"]["weight"].tolist()


def test_a_tuple_is_read_back_as_a_list(folder):
    path = write_checkpoint(folder, Checkpoint(1, {}, {"betas": (0.5, 0.999)}), keep=1)
    assert read_checkpoint(path).state == {"betas": [0.5, 0.999]}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_non_finite_tensor_is_not_saved_and_the_previous_checkpoint_stays(folder, small, same, value):
    previous = write_checkpoint(folder, small(1), keep=1)
    with pytest.raises(DivergedError, match="model: weight contains NaN or infinity"):
        write_checkpoint(folder, small(2, value=value), keep=1)
    assert same(read_checkpoint(previous), small(1))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_finite_numbers_are_saved_even_if_their_sum_overflows(folder, same, dtype):
    checkpoint = Checkpoint(1, {"model": {"weight": torch.full((9,), torch.finfo(dtype).max, dtype=dtype)}}, {})
    assert same(read_checkpoint(write_checkpoint(folder, checkpoint, keep=1)), checkpoint)


def test_infinities_of_opposite_sign_are_detected(folder):
    tensors = {"weight": torch.tensor([float("inf"), float("-inf"), 1])}
    with pytest.raises(DivergedError, match="weight"):
        write_checkpoint(folder, Checkpoint(1, {"model": tensors}, {}), keep=1)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": [1, {"b": float("nan")}]}, r"state\.a\[1\]\.b is nan"),
        ({"a": {3: 1}}, r"state\.a has the key 3"),
        ({"a": torch.zeros(1)}, r"state\.a is a Tensor"),
        ({"a": {1, 2}}, r"state\.a is a set"),
    ],
)
def test_a_state_that_json_would_change_is_refused(folder, state, message):
    with pytest.raises(CheckpointError, match=message):
        write_checkpoint(folder, Checkpoint(1, {}, state), keep=1)
    assert not folder.exists()


def test_a_state_that_contains_itself_is_refused(folder):
    state: dict[str, object] = {}
    state["again"] = state
    with pytest.raises(CheckpointError, match="nested too deeply"):
        write_checkpoint(folder, Checkpoint(1, {}, state), keep=1)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"a": torch.zeros(2).to_sparse()}, r"a \(torch.float32, torch.sparse_coo\) cannot be saved"),
        ({"a": [1.0]}, "a is a list, not a tensor"),
        ({"__metadata__": torch.zeros(2)}, "not a valid tensor name"),
        ({"\ud800": torch.zeros(2)}, "not a valid tensor name"),
    ],
)
def test_tensors_that_the_format_cannot_store_are_refused(folder, tensors, message):
    with pytest.raises(CheckpointError, match=message):
        write_checkpoint(folder, Checkpoint(1, {"model": tensors}, {}), keep=1)


@pytest.mark.parametrize("stem", ["", "../model", "Model", "a/b", ".hidden", "x" * 65])
def test_an_invalid_file_name_is_refused(folder, stem):
    with pytest.raises(ValueError, match="not a valid file name"):
        write_checkpoint(folder, Checkpoint(1, {stem: {}}, {}), keep=1)
