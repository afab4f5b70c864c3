"""Fixtures: landscapes, and the command line in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from cgkit.cli import main
from cgkit.components.sources.seasons import Seasons


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Use one thread, to avoid contention between test processes."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def landscapes() -> Tensor:
    """Four painted landscapes of 48 x 48 pixels in [-1, 1]."""
    summer, _ = Seasons((48, 48), train=1, test=4).test()
    rendered = [summer[number].render for number in range(4)]
    return torch.stack([torch.from_numpy(render()) for render in rendered if render is not None]) * 2 - 1


@pytest.fixture
def cgkit() -> Callable[..., int]:
    """The command line, in this process: `cgkit("run", spec)` returns its exit code."""

    def call(*arguments: object) -> int:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return int(stop.value.code or 0)

    return call
