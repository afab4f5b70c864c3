"""Doing things in threads, in order, and never far ahead of whoever uses the results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby, islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    threads: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in their order.

    Args:
        threads: where the function is called.
        function: what is called.
        items: read as they are needed.
        ahead: how many results may be there, or on their way, before they are asked for: so memory has a bound.
    """
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(threads.submit(function, item))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def alike(items: Iterable[Item], key: Callable[[Item], object], most: int) -> Iterator[list[Item]]:
    """Yield lists of up to `most` consecutive items with the same key; an item without one (None) stays alone."""
    for kind, group in groupby(items, key):
        while part := list(islice(group, most if kind is not None else 1)):
            yield part
