"""Processing items in threads, in order and with a bounded number of results in memory."""

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
    """Yield `function(item)` for each item, in order.

    Args:
        threads: the threads that call the function.
        function: the function to call with each item.
        items: the items, which are consumed only as needed.
        ahead: the maximum number of results to compute before they are requested, which bounds the memory.
    """
    pending: deque[Future[Result]] = deque()
    for item in items:
        pending.append(threads.submit(function, item))
        if len(pending) > ahead:
            yield pending.popleft().result()
    while pending:
        yield pending.popleft().result()


def batches(items: Iterable[Item], key: Callable[[Item], object], most: int) -> Iterator[list[Item]]:
    """Yield lists of up to `most` consecutive items with the same key; an item whose key is None is yielded alone."""
    for value, group in groupby(items, key):
        while batch := list(islice(group, most if value is not None else 1)):
            yield batch
