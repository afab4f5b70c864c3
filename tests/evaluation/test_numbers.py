from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cgkit.errors import UsageError
from cgkit.evaluation.numbers import Number, difference, differing

PROTOCOL = {"n": 10, "size": [64, 64], "extractor": None, "seed": 0}
NUMBER = Number("psnr", "a2b", 20.0, (19.0, 21.0), None, 9.0, "higher", PROTOCOL)


def test_numbers_with_equal_protocols_can_be_compared() -> None:
    assert difference(replace(NUMBER, value=22.5, real=1.0), NUMBER) == 2.5


@given(st.sets(st.sampled_from(["n", "size", "extractor", "seed", "name", "direction", "an older field"]), min_size=1))
def test_comparing_different_protocols_raises_with_every_differing_field(fields: set[str]) -> None:
    changed = dict.fromkeys(fields, "other")
    own = {field: changed.pop(field) for field in ("name", "direction") if field in changed}
    other = replace(NUMBER, **own, protocol={**PROTOCOL, **changed})
    assert set(differing(NUMBER, other)) == fields
    with pytest.raises(UsageError) as refused:
        difference(NUMBER, other)
    assert all(f"{field} is" in str(refused.value) for field in fields)


def test_a_number_survives_a_json_round_trip() -> None:
    assert Number.from_json(NUMBER.to_json()) == NUMBER
    without_interval = replace(NUMBER, interval=None, better=None)
    assert Number.from_json(without_interval.to_json()) == without_interval
