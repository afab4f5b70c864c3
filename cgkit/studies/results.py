"""The results of a study: for each data set, metric and direction, the variants from best to worst."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from cgkit.evaluation.numbers import Number, differing
from cgkit.evaluation.record import read_evaluation
from cgkit.models.info import DIRECTIONS
from cgkit.studies.running import Found
from cgkit.studies.statistics import Interval, adjust, interval_over, paired_p
from cgkit.studies.study import Study


@dataclass(frozen=True)
class Entry:
    """A variant in a table.

    Attributes:
        variant: its name.
        values: its score by seed.
        mean: the mean over the seeds.
        interval: the 95% interval over seeds and test images; None if unknown.
        rank: its place, from 1 for the best; None if neither higher nor lower values are better.
        difference: the mean difference to the baseline over the seeds that both have; None for the baseline itself.
        p: the p-value of this difference, adjusted for the number of variants (Holm); None if unknown.
    """

    variant: str
    values: Mapping[int, float]
    mean: float
    interval: Interval | None
    rank: int | None = None
    difference: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class Table:
    """The scores of all variants in one metric and direction on one data set.

    Attributes:
        data: the data set.
        metric: the metric.
        direction: `a2b` or `b2a`.
        number: a score with the protocol and the baselines that all have.
        entries: the variants, the best first.
        remarks: sentences on what is left out.
    """

    data: str
    metric: str
    direction: str
    number: Number
    entries: tuple[Entry, ...]
    remarks: tuple[str, ...] = ()

    def order(self, variants: Sequence[str]) -> tuple[str, ...]:
        """Return some variants from best to worst, as far as they have scores."""
        return tuple(entry.variant for entry in self.entries if entry.variant in variants)

    def to_json(self) -> dict[str, Any]:
        """Return the table as JSON values."""
        number = self.number
        return {
            **{key: getattr(self, key) for key in ("data", "metric", "direction")},
            **{key: getattr(number, key) for key in ("better", "real", "untranslated")},
            "protocol": dict(number.protocol),
            "entries": [asdict(entry) for entry in self.entries],
            "remarks": list(self.remarks),
        }

    def disagreements(self, expected: Sequence[str]) -> tuple[tuple[str, str], ...]:
        """Return the pairs of variants that are in the other order than expected, with intervals that are apart."""
        places = {entry.variant: entry for entry in self.entries}
        known = [places[name] for name in expected if name in places]
        return tuple(
            (better.variant, worse.variant)
            for index, better in enumerate(known)
            for worse in known[index + 1 :]
            if (better.rank or 0) > (worse.rank or 0) and _apart(better, worse)
        )


@dataclass(frozen=True)
class Results:
    """The results of a study.

    Attributes:
        study: the study.
        found: what there is of each run.
        tables: the tables, by data set, metric and direction.
    """

    study: Study
    found: tuple[Found, ...]
    tables: tuple[Table, ...]

    def count(self, state: str) -> int:
        """Return the number of runs in a state."""
        return sum(found.state == state for found in self.found)

    @property
    def remarks(self) -> list[str]:
        """Sentences on metrics that the study names and no finished run has."""
        absent = {*(self.study.metrics or ())} - {table.metric for table in self.tables}
        return [
            f'no finished run has {name}: add [[metric]] name = "{name}" to the base spec' for name in sorted(absent)
        ]

    def to_json(self) -> dict[str, Any]:
        """Return the results as JSON values."""
        study, seconds = self.study, [found.seconds for found in self.found if found.seconds is not None]
        return {
            "schema": 1,
            "study": study.name,
            "description": study.description,
            "seeds": list(study.seeds),
            "variants": {name: dict(overrides) for name, overrides in study.variants.items()},
            "data": {name: dict(overrides) for name, overrides in study.data.items()},
            "baseline": study.baseline,
            "expected": list(study.expected),
            "training_seconds": sum(seconds),
            "devices": sorted({found.device for found in self.found if found.device}),
            "failed": {str(found.planned): found.note for found in self.found if found.state == "failed"},
            "missing": [str(found.planned) for found in self.found if found.state not in ("finished", "failed")],
            "tables": [table.to_json() for table in self.tables],
        }


def collect(study: Study, found: Sequence[Found]) -> Results:
    """Return the results of the finished runs of a study.

    Raises:
        CheckpointError: the scores of a run are damaged.
        UsageError: there are several seeds, but SciPy is not installed.
    """
    scores: dict[tuple[str, str, str], dict[str, dict[int, Number]]] = {}
    for each in found:
        evaluation = read_evaluation(each.folder) if each.state == "finished" else None
        for number in evaluation.numbers if evaluation is not None else ():
            if study.metrics is None or number.name in study.metrics:
                table = scores.setdefault((each.planned.data, number.name, number.direction), {})
                table.setdefault(each.planned.variant, {})[each.planned.seed] = number
    metrics = list(dict.fromkeys(metric for _, metric, _ in scores))
    places = sorted(
        scores, key=lambda key: (list(study.data).index(key[0]), metrics.index(key[1]), DIRECTIONS.index(key[2]))
    )
    return Results(study, tuple(found), tuple(_tabulate(study, *place, scores[place]) for place in places))


def _tabulate(
    study: Study, data: str, metric: str, direction: str, scores: Mapping[str, Mapping[int, Number]]
) -> Table:
    first = next(iter(scores.get(study.baseline, {}).values()), next(iter(next(iter(scores.values())).values())))
    remarks, alike = [], dict[str, dict[int, Number]]()
    for variant in study.variants:
        for seed, number in scores.get(variant, {}).items():
            if unlike := differing(number, first):
                remarks.append(f"{variant}, seed {seed} is left out: it was measured with another {', '.join(unlike)}")
            else:
                alike.setdefault(variant, {})[seed] = number
    values = {variant: {seed: number.value for seed, number in numbers.items()} for variant, numbers in alike.items()}
    intervals = {variant: [number.interval for number in numbers.values()] for variant, numbers in alike.items()}
    entries = [
        Entry(name, own, fmean(own.values()), interval_over(list(own.values()), intervals[name]))
        for name, own in values.items()
    ]
    return Table(data, metric, direction, first, tuple(_compare(study, first, entries, values)), tuple(remarks))


def _compare(
    study: Study, first: Number, entries: Sequence[Entry], values: Mapping[str, Mapping[int, float]]
) -> Iterator[Entry]:
    """Yield the entries from best to worst, with their ranks and differences to the baseline."""
    sign = {"higher": -1, "lower": 1, None: 0}[first.better]
    base = values.get(study.baseline, {})
    ordered = sorted(entries, key=lambda entry: sign * entry.mean)
    others = [entry for entry in ordered if entry.variant != study.baseline]
    p_values = adjust([paired_p(entry.values, base) for entry in others])
    adjusted = {entry.variant: p for entry, p in zip(others, p_values, strict=True)}
    for rank, entry in enumerate(ordered, 1):
        shared = [entry.values[seed] - base[seed] for seed in entry.values if seed in base]
        difference = fmean(shared) if shared and entry.variant != study.baseline else None
        yield replace(entry, rank=rank if sign else None, difference=difference, p=adjusted.get(entry.variant))


def _apart(one: Entry, other: Entry) -> bool:
    if one.interval is None or other.interval is None:
        return False
    return one.interval[1] < other.interval[0] or other.interval[1] < one.interval[0]
