from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.report.axes import axis_for, format_number, needs_log_axis
from cgkit.report.record import LARGEST

NUMBERS = st.lists(st.floats(-LARGEST, LARGEST), min_size=1, max_size=20)
POSITIVE = st.lists(st.floats(1e-30, LARGEST), min_size=1, max_size=20)


@settings(deadline=None)
@given(NUMBERS)
def test_a_linear_axis_covers_its_values_with_a_few_ticks(values: list[float]) -> None:
    axis = axis_for(values)
    assert axis.low < axis.high
    assert all(-1e-3 <= axis.share(value) <= 1 + 1e-3 for value in values)
    assert 2 <= len(axis.ticks) <= 9
    assert list(axis.ticks) == sorted(axis.ticks)


@settings(deadline=None)
@given(POSITIVE)
def test_a_logarithmic_axis_covers_its_values_with_a_few_ticks(values: list[float]) -> None:
    axis = axis_for(values, logarithmic=True)
    assert 0 < axis.low < axis.high
    assert all(0 <= axis.share(value) <= 1 for value in values)
    assert len(axis.ticks) <= 14
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)


def test_linear_axes_have_round_ends() -> None:
    axis = axis_for([3.1, 19.2])
    assert (axis.low, axis.high, axis.ticks) == (0, 20, (0, 5, 10, 15, 20))
    assert axis_for([20.2, 21.7]).low == 20
    assert axis_for([]).ticks == (0, 0.25, 0.5, 0.75, 1)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1.0, 1.2, 0.9, 1.1], False),
        ([300.0, 1.2, 0.9, 1.1], True),
        ([10.0 ** (number / 10) for number in range(40)], True),
        ([300.0, 1.2, 0.0, 1.1], False),
        ([300.0, 1.2, -2.0, 1.1], False),
        ([0.0005] * 50 + [0.0005 * (1 - number / 50) for number in range(50)], False),
        ([1.0, 900.0], False),
        ([], False),
    ],
    ids=["similar", "one dwarfs the others", "decades", "zero", "negative", "a linear decay", "two", "none"],
)
def test_a_log_axis_is_needed_for_positive_values_that_span_decades(values: list[float], wanted: bool) -> None:
    assert needs_log_axis(values) is wanted


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0, "0"), (20.7531, "20.75"), (9999, "9999"), (10000, "10k"), (250000, "250k"), (1.5e6, "1.5M")),
        *(
            (2e10, "20G"),
            (4.95e-06, "4.95e-6"),
            (0.0002, "2e-4"),
            (-0.00015, "-1.5e-4"),
            (-12345678, "-12.35M"),
            (1e15, "1e+15"),
        ),
    ],
)
def test_numbers_are_formatted_with_four_digits_and_suffixes(value: float, text: str) -> None:
    assert format_number(value) == text
