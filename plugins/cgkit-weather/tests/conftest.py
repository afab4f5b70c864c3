"""Fixtures: a landscape, and the command line in this process."""

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
def landscape() -> Tensor:
    """One painted landscape, `(1, 3, 48, 64)` in [0, 1]."""
    summer, _ = Seasons((48, 64), train=1, test=1).test()
    render = summer[0].render
    assert render is not None
    return torch.from_numpy(render())[None]


@pytest.fixture
def cgkit() -> Callable[..., int]:
    """The command line, in this process: `cgkit("run", spec)` returns its exit code."""

    def call(*arguments: object) -> int:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        return int(stop.value.code or 0)

    return call
