from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from cgkit.report.curves import (
    BOTTOM,
    HEIGHT,
    LEFT,
    MAX_POINTS,
    MIN_SMOOTHED,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    chart,
    charts_by_subject,
    charts_of,
)
from cgkit.report.record import LARGEST
from cgkit.spec.images import labels_of

LABELS = labels_of({"data": {"names": ["horse", "zebra"]}})


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.e+]+),([-\d.e+]+)", path)]


def single_chart(title: str, values: dict[int, float | None]) -> Chart:
    return chart(title, [("", 0, values)], list(values))


HISTORY = {
    "adversarial_b2a": {1: 2.0, 2: 1.0},
    "adversarial_a2b": {1: 1.0, 2: 1.5},
    "cycle_forward": {1: 3.0, 2: 2.0},
    "identity_a": {1: 0.5, 2: 0.4},
    "identity_b": {1: 0.6, 2: 0.5},
    "learning_rate": {1: 0.1, 2: 0.1},
    "psnr_a2b": {1: 9.0, 2: 10.0},
    "kid_a2b": {2: 0.1},
    "odd": {1: 1.0, 2: 1.0},
    "nothing": {},
}


def test_both_directions_of_a_quantity_share_a_chart_with_one_colour_each() -> None:
    charts = charts_of(HISTORY, {"psnr", "kid"}, LABELS)
    lines = {chart.title: [(line.label, line.style) for line in chart.lines] for chart in charts.losses}
    assert lines == {
        "Adversarial": [("horse to zebra", 0), ("zebra to horse", 1)],
        "Cycle": [("forward", 0)],
        # The second domain has the colour of the direction towards it.
        "Identity": [("zebra", 0), ("horse", 1)],
        "Odd": [("", 0)],
    }
    assert [chart.title for chart in charts.scores] == ["PSNR"], "a single score has no curve"
    assert [chart.title for chart in charts.pace] == ["Learning rate"]


def test_a_loss_and_a_metric_with_the_same_stem_have_separate_charts() -> None:
    charts = charts_of({"cycle_forward": {1: 9.0, 2: 8.0}, "cycle_a2b": {1: 0.1, 2: 0.2}}, {"cycle"}, LABELS)
    assert [line.label for line in charts.losses[0].lines] == ["forward"]
    assert [line.label for line in charts.scores[0].lines] == ["horse to zebra"]


def test_curves_of_several_runs_share_a_chart_by_name() -> None:
    psnr = [("one", 0, {1: 1.0, 9: 2.0}), ("two", 1, {9: 3.0})]
    charts = charts_by_subject({("scores", "psnr_a2b"): psnr, ("losses", "odd"): [("two", 1, {1: 1.0})]})
    assert [line.label for line in charts.scores[0].lines] == ["one", "two"]
    assert [chart.title for chart in charts.losses] == ["Odd"]
    assert charts.losses[0].x == charts.scores[0].x


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 10**8), st.floats(-LARGEST, LARGEST) | st.none(), min_size=1, max_size=50))
def test_curves_stay_inside_their_chart_for_any_values(values: dict[int, float | None]) -> None:
    drawn = single_chart("any", dict(sorted(values.items())))
    (line,) = drawn.lines
    for x, y in [*points(line.path), *points(line.smooth), *line.dots]:
        assert LEFT - 1 <= x <= WIDTH - RIGHT + 1
        assert TOP - 1 <= y <= HEIGHT - BOTTOM + 1
    assert drawn.summary.startswith("any: ")
    assert all(LEFT - 1 <= x <= WIDTH - RIGHT + 1 for x, _ in drawn.x_ticks)


def test_a_curve_has_gaps_at_values_that_are_not_finite() -> None:
    drawn = single_chart("loss", {1: 1.0, 2: 2.0, 3: None, 4: 3.0, 5: None, 6: 1.0, 7: 2.0})
    (line,) = drawn.lines
    assert line.path.count("M") == 2
    assert len(points(line.path)) == 4
    assert len(line.dots) == 1, "a point between two gaps is a dot"
    assert drawn.data()["lines"][0]["values"][2] is None
    assert single_chart("loss", {1: 1.0, 2: None}).lines[0].last == "not finite"


def test_values_grow_upwards_and_steps_to_the_right() -> None:
    (x1, y1), (x2, y2) = points(single_chart("loss", {10: 1.0, 20: 2.0}).lines[0].path)
    assert x1 < x2
    assert y1 > y2


def test_long_histories_are_averaged_and_smoothed() -> None:
    noisy = {step: 1.0 + (step % 2) for step in range(1, 100_001)}
    (line,) = single_chart("loss", noisy).lines
    assert len(line.steps) <= MAX_POINTS
    assert all(abs(value - 1.5) < 0.01 for value in line.values if value is not None)
    short = {step: 1.0 + (step % 2) for step in range(MIN_SMOOTHED)}
    (line,) = single_chart("loss", short).lines
    heights = [y for _, y in points(line.smooth)][3:-3]
    rough = [y for _, y in points(line.path)]
    assert max(heights) - min(heights) < 0.5 * (max(rough) - min(rough))
    assert single_chart("loss", {1: 1.0, 2: 2.0}).lines[0].smooth == ""


def test_a_group_with_a_value_that_is_not_finite_has_no_mean() -> None:
    values: dict[int, float | None] = dict.fromkeys(range(10 * MAX_POINTS), 1.0)
    values[5] = None
    (line,) = single_chart("loss", values).lines
    assert line.values[0] is None
    assert set(line.values[1:]) == {1.0}


def test_losses_that_span_decades_have_a_logarithmic_axis_and_scores_do_not() -> None:
    assert single_chart("loss", {step: 10.0**step for step in range(9)}).y.logarithmic
    assert not single_chart("loss", {step: 1.0 + step for step in range(9)}).y.logarithmic
    charts = charts_of({"kid_a2b": {step: 10.0**step for step in range(9)}}, {"kid"}, LABELS)
    assert not charts.scores[0].y.logarithmic, "scores are read against their baselines"
