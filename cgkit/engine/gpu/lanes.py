"""Independent parts of a step at the same time on a GPU, whose processors the kernels of small batches do not fill."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")


class InOrder:
    """Computes everything in the order of the calls."""

    def side_by_side(self, *calls: Callable[[], T]) -> tuple[T, ...]:
        """Call functions that do not depend on each other; return their results."""
        return tuple(call() for call in calls)

    def mark(self) -> None:
        """Mark this point in the computation, for `since_mark`."""

    def since_mark(self, call: Callable[[], T]) -> T:
        """Call a function that depends only on what was computed before `mark`, and that nothing since then changes."""
        return call()


class OnStreams(InOrder):
    """Lets a GPU compute independent parts at the same time, each on a CUDA stream of its own.

    Gradients are computed on the stream of their forward pass. Only for use in a CUDA graph, because outside of one,
    memory that a stream has freed may be reused before another has read it.

    Args:
        discriminators_early: whether `since_mark` need not wait for what was computed since the mark. It must if the
            discriminators have buffers, which the generators' losses change.
    """

    def __init__(self, *, discriminators_early: bool) -> None:
        self._is_early = discriminators_early
        self._marked: torch.cuda.Event | None = None
        self._beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        self._sides: dict[torch.cuda.Stream, list[torch.cuda.Stream]] = {}

    def side_by_side(self, *calls: Callable[[], T]) -> tuple[T, ...]:
        """Call functions that do not depend on each other; return their results."""
        current = torch.cuda.current_stream()
        if current not in self._sides:
            self._sides[current] = [torch.cuda.Stream() for _ in calls]  # type: ignore[no-untyped-call]
        sides = self._sides[current]
        results = []
        for stream, call in zip(sides, calls, strict=True):
            stream.wait_stream(current)
            with torch.cuda.stream(stream):
                results.append(call())
        for stream in sides:
            current.wait_stream(stream)
        return tuple(results)

    def mark(self) -> None:
        """Mark this point in the computation, for `since_mark`."""
        self._marked = torch.cuda.Event()  # type: ignore[no-untyped-call]
        self._marked.record()

    def since_mark(self, call: Callable[[], T]) -> T:
        """Call a function that depends only on what was computed before `mark`, and that nothing since then changes."""
        if not self._is_early:
            return call()
        assert self._marked is not None
        self._beside.wait_event(self._marked)
        with torch.cuda.stream(self._beside):
            result = call()
        torch.cuda.current_stream().wait_stream(self._beside)
        return result
