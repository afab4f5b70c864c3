from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgkit.errors import UsageError
from cgkit.evaluation.numbers import Number, difference, differing

PROTOCOL = {"n": 10, "size": [64, 64], "extractor": None, "seed": 0}
NUMBER = Number("psnr", "a2b", 20.0, (19.0, 21.0), None, 9.0, "higher", PROTOCOL)


def test_numbers_that_were_measured_alike_are_compared() -> None:
    assert difference(replace(NUMBER, value=22.5, real=1.0), NUMBER) == 2.5


@given(st.sets(st.sampled_from(["n", "size", "extractor", "seed", "name", "direction", "an older field"]), min_size=1))
def test_numbers_that_were_not_are_refused_with_every_field_that_differs(fields: set[str]) -> None:
    changed = dict.fromkeys(fields, "other")
    own = {field: changed.pop(field) for field in ("name", "direction") if field in changed}
    other = replace(NUMBER, **own, protocol={**PROTOCOL, **changed})
    assert set(differing(NUMBER, other)) == fields
    with pytest.raises(UsageError) as refused:
        difference(NUMBER, other)
    assert all(f"{field} is" in str(refused.value) for field in fields)


def test_a_number_comes_back_from_json_as_it_was() -> None:
    assert Number.from_json(NUMBER.to_json()) == NUMBER
    unknown = replace(NUMBER, interval=None, better=None)
    assert Number.from_json(unknown.to_json()) == unknown
