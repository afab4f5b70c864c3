"""What the tests of checkpoints share: small checkpoints, and an equality that counts every bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from cgkit.checkpoints import Checkpoint
from cgkit.checkpoints.writing import write_checkpoint


def _small(step: int, value: float | None = None) -> Checkpoint:
    weight = torch.full((2, 3), float(step) if value is None else value)
    model = {"weight": weight, "steps": torch.tensor(step)}
    return Checkpoint(step, {"model": model, "pool": {"images": weight.bfloat16()}}, {"seen": step, "value": value})


def _bits(tensor: torch.Tensor) -> tuple[torch.dtype, tuple[int, ...], list[int]]:
    octets = tensor.detach().clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8)
    return tensor.dtype, tuple(tensor.shape), octets.tolist()


def _same(one: Checkpoint | None, other: Checkpoint | None) -> bool:
    if one is None or other is None:
        return one is other
    bits = [
        {stem: {name: _bits(tensor) for name, tensor in tensors.items()} for stem, tensors in each.tensors.items()}
        for each in (one, other)
    ]
    return one.step == other.step and one.state == other.state and bits[0] == bits[1]


@pytest.fixture(scope="session")
def small() -> Callable[..., Checkpoint]:
    """Make a checkpoint of a few numbers, which depend on the step and the value given."""
    return _small


@pytest.fixture(scope="session")
def same() -> Callable[[Checkpoint | None, Checkpoint | None], bool]:
    """Tell whether two checkpoints agree in every bit."""
    return _same


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch work in one thread: a forked child that waits for its parent's others would wait for ever."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a run's checkpoints go; not there yet."""
    return tmp_path / "run" / "checkpoints"


@pytest.fixture
def three(folder: Path) -> list[Path]:
    """Checkpoints of the steps 1, 2 and 3."""
    return [write_checkpoint(folder, _small(step), keep=3) for step in (1, 2, 3)]
