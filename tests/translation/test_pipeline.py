"""Results come in order, and only a bounded number is computed ahead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgkit.translation.pipeline import batches, in_order


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 5))
def test_results_come_in_the_order_of_their_items(items: list[int], ahead: int) -> None:
    def slow(item: int) -> int:
        time.sleep(item / 5000)  # so that later items can finish before earlier ones
        return -item

    with ThreadPoolExecutor(4) as threads:
        assert list(in_order(threads, slow, items, ahead)) == [-item for item in items]


def test_no_more_items_are_read_than_allowed() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    with ThreadPoolExecutor(2) as threads:
        results = in_order(threads, str, items(), ahead=3)
        assert [next(results) for _ in range(5)] == list("01234")
        assert len(read) == 5 + 3


def test_an_error_is_raised_in_place_of_the_result() -> None:
    with ThreadPoolExecutor(2) as threads:
        results = in_order(threads, lambda item: 1 // item, [1, 0], ahead=4)
        assert next(results) == 1
        with pytest.raises(ZeroDivisionError):
            next(results)


@given(st.lists(st.sampled_from(["a", "b", None]), max_size=20), st.integers(1, 4))
def test_consecutive_items_with_the_same_key_form_a_batch_and_those_without_a_key_stay_alone(
    items: list[str | None], most: int
) -> None:
    parts = list(batches(items, lambda item: item, most))
    assert [item for part in parts for item in part] == items
    for part in parts:
        assert len(set(part)) == 1
        assert len(part) <= (most if part[0] else 1)
    for first, second in pairwise(parts):
        assert first[0] != second[0] or first[0] is None or len(first) == most
