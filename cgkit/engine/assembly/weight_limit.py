"""Refuse networks that do not fit the memory while they are built, before their weights fill it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy

from cgkit.errors import Problem, ResourceError, SpecError

COPIES = 4
"""A weight is in memory this many times: itself, its gradient, and the two moments of Adam."""


class WeightLimit:
    """Counts the weights of all networks of a run as they are created; torch allocates their memory only on first use.

    Args:
        memory: the bytes of memory to train in; None for no limit.
    """

    def __init__(self, memory: int | None) -> None:
        self._memory = memory
        self._bytes: dict[int, int] = {}

    @contextmanager
    def applied(self, place: str) -> Iterator[None]:
        """Count the weights that are created in the `with` block, for the network at a place of the spec.

        Raises:
            SpecError: the weights created so far do not fit.
        """
        if self._memory is None:
            yield
            return

        memory = self._memory

        def count(module: nn.Module, name: str, weight: nn.Parameter | None) -> None:
            if weight is None or is_lazy(weight):
                return
            self._bytes[weight.data_ptr()] = weight.nbytes
            needed = COPIES * sum(self._bytes.values())
            if needed > memory:
                message = (
                    f"the networks and their optimisers take more than {needed / 1e9:,.0f} GB, "
                    f"but there are {memory / 1e9:,.1f} GB of memory"
                )
                hint = f"lower the options of {place.partition('.')[0]} that make the network large, such as width"
                raise SpecError([Problem(place, message, hint, exit_code=ResourceError.exit_code)])

        handle = register_module_parameter_registration_hook(count)
        try:
            yield
        finally:
            handle.remove()
