from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.evaluation.numbers import Number
from cgkit.report.gauges import scale, scales_of
from cgkit.spec.images import labels_of

LABELS = labels_of({})

PSNR = Number("psnr", "a2b", 20.0, (19.0, 21.5), None, 9.0, "higher", {"n": 64, "size": [64, 32], "options": {}})
KID = Number("kid", "b2a", 0.05, (0.04, 0.06), 0.01, 0.2, "lower", {"n": 64, "options": {"network": "lite"}})


def test_better_is_to_the_right() -> None:
    psnr_scale, kid_scale = scales_of([PSNR, KID], LABELS)
    (psnr,), (kid,) = psnr_scale.gauges, kid_scale.gauges
    assert psnr.untranslated is not None
    assert psnr.untranslated < psnr.place
    assert psnr.span is None
    assert kid.untranslated is not None
    assert kid.real is not None
    assert kid.untranslated < kid.place < kid.real
    assert kid.span == (kid.untranslated, kid.real - kid.untranslated)
    assert (psnr.value, psnr.interval_text) == ("20", "19 to 21.5")


def test_both_directions_of_a_metric_share_a_scale() -> None:
    (scale_of_both,) = scales_of([PSNR, replace(PSNR, direction="b2a", value=18.0)], LABELS)
    assert [(gauge.label, gauge.style) for gauge in scale_of_both.gauges] == [("a to b", 0), ("b to a", 1)]
    assert scale_of_both.gauges[0].untranslated == scale_of_both.gauges[1].untranslated
    assert scale_of_both.protocol == {"n": "64", "size": "64 x 32", "options": "none"}


def test_protocol_fields_that_differ_list_every_value() -> None:
    other = replace(PSNR, direction="b2a", protocol={**PSNR.protocol, "n": 50})
    assert scales_of([PSNR, other], LABELS)[0].protocol["n"] == "64 / 50"
    assert scales_of([KID], LABELS)[0].protocol["options"] == "network = lite"


FINITE = st.floats(-1e30, 1e30)


@settings(deadline=None)
@given(FINITE, st.none() | st.tuples(FINITE, FINITE), st.none() | FINITE, st.none() | FINITE, st.booleans())
def test_everything_is_drawn_inside_the_gauge(value, interval, real, untranslated, lower):
    number = Number("m", "a2b", value, interval, real, untranslated, "lower" if lower else "higher", {})
    (gauge,) = scale([("run", 0, number)]).gauges
    drawn = [gauge.place, *(place for place in (gauge.real, gauge.untranslated) if place is not None)]
    if gauge.interval is not None:
        drawn += [gauge.interval[0], sum(gauge.interval)]
    assert all(0 <= place <= 100 for place in drawn)
