"""Fixtures for checkpoint tests: small checkpoints, and a bitwise comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from cgkit.checkpoints import Checkpoint
from cgkit.checkpoints.writing import write_checkpoint


def _make_small(step: int, value: float | None = None) -> Checkpoint:
    weight = torch.full((2, 3), float(step) if value is None else value)
    model = {"weight": weight, "steps": torch.tensor(step)}
    return Checkpoint(step, {"model": model, "pool": {"images": weight.bfloat16()}}, {"seen": step, "value": value})


def _bits(tensor: torch.Tensor) -> tuple[torch.dtype, tuple[int, ...], list[int]]:
    data = tensor.detach().clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8)
    return tensor.dtype, tuple(tensor.shape), data.tolist()


def _are_identical(one: Checkpoint | None, other: Checkpoint | None) -> bool:
    if one is None or other is None:
        return one is other
    bits = [
        {stem: {name: _bits(tensor) for name, tensor in tensors.items()} for stem, tensors in each.tensors.items()}
        for each in (one, other)
    ]
    return one.step == other.step and one.state == other.state and bits[0] == bits[1]


@pytest.fixture(scope="session")
def small() -> Callable[..., Checkpoint]:
    """Return a function that makes a small checkpoint whose contents depend on the step and an optional value."""
    return _make_small


@pytest.fixture(scope="session")
def same() -> Callable[[Checkpoint | None, Checkpoint | None], bool]:
    """Return a function that tells whether two checkpoints are identical bit for bit."""
    return _are_identical


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Limit torch to one thread: a forked child would wait forever for the other threads of its parent."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the path of a run's checkpoints folder, which does not exist yet."""
    return tmp_path / "run" / "checkpoints"


@pytest.fixture
def three(folder: Path) -> list[Path]:
    """Write checkpoints of steps 1, 2 and 3."""
    return [write_checkpoint(folder, _make_small(step), keep=3) for step in (1, 2, 3)]
