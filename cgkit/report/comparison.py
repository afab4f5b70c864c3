"""Compare several runs: the differences between their specs, their scores, and the test images that the runs share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgkit.errors import CheckpointError, UsageError
from cgkit.evaluation.numbers import Number, differing
from cgkit.images.sheet import Sheet, read_sheet
from cgkit.models.address import RESOLVED
from cgkit.report.record import Record, read_record
from cgkit.spec.images import labels_of


@dataclass(frozen=True)
class Measurement:
    """The scores of all runs in one metric and direction.

    Attributes:
        name: the metric.
        direction: `a2b` or `b2a`.
        numbers: one per run; None if the run has no such score.
        unlike: per run, the fields in which its number was measured differently from `first`; if there are any, the
            number is not compared.
        baseline: the run with which the others are compared; None for the first that has a number.
    """

    name: str
    direction: str
    numbers: tuple[Number | None, ...]
    unlike: tuple[tuple[str, ...], ...]
    baseline: int | None = None

    @property
    def first(self) -> Number:
        """The number with which the others are compared: the baseline's, or that of the first run that has one."""
        order = list(self.numbers)
        if self.baseline is not None:
            order.insert(0, self.numbers[self.baseline])
        return next(number for number in order if number is not None)

    def reason(self, run: int) -> str:
        """Return the reason why the number of a run is not compared; empty if it is compared."""
        number = self.numbers[run]
        if number is None:
            return "not measured"
        return "; ".join(f"{name} is {number.field(name)}, not {self.first.field(name)}" for name in self.unlike[run])

    def difference(self, run: int) -> float | None:
        """Return the value of a run minus that of `first`; None for `first` itself or if the two cannot be compared."""
        number = self.numbers[run]
        if self.baseline is not None and self.numbers[self.baseline] is None:
            return None
        if number is None or number is self.first or self.unlike[run]:
            return None
        return number.value - self.first.value


@dataclass(frozen=True)
class SharedImages:
    """The newest sample sheets of the runs that share their test images.

    Attributes:
        sheets: the sheets by index of the run; either at least two or none.
        steps: the steps of the sheets by index of the run.
        remarks: sentences on which runs are left out and why.
    """

    sheets: Mapping[int, Sheet]
    steps: Mapping[int, int]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """A comparison of several runs.

    Attributes:
        records: the contents of the run folders.
        labels: unique names of the runs.
        differences: for each spec key whose value differs, the value in each run; None if a run does not have the key.
        measurements: the scores by metric and direction.
        images: the shared test images.
        remarks: sentences on what could not be compared.
        baseline: the run with which the others are compared; None if none was chosen.
    """

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    differences: Mapping[str, tuple[Any, ...]]
    measurements: tuple[Measurement, ...]
    images: SharedImages
    remarks: tuple[str, ...]
    baseline: int | None = None

    @property
    def sides(self) -> dict[str, str]:
        """What a person calls the directions and domains; "a to b" and so on if the runs give them different names."""
        named = [labels_of(record.spec) for record in self.records]
        return named[0] if all(each == named[0] for each in named) else labels_of({})

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The runs, in groups whose scores are comparable with each other."""
        groups: list[list[int]] = []
        for run in range(len(self.records)):
            fitting = (group for group in groups if not any(self.unlike(run, member) for member in group))
            group = next(fitting, None)
            if group is None:
                groups.append([run])
            else:
                group.append(run)
        return tuple(map(tuple, groups))

    def unlike(self, run: int, other: int) -> list[str]:
        """Return how the scores of a run were measured differently from those of another; empty if they were not."""
        reasons: dict[str, None] = {}
        for measurement in self.measurements:
            one, two = measurement.numbers[run], measurement.numbers[other]
            if one is not None and two is not None:
                reasons |= dict.fromkeys(
                    f"{name} is {one.field(name)}, not {two.field(name)}" for name in differing(one, two)
                )
        return list(reasons)

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        runs = [
            {"label": label, "folder": str(record.folder)}
            | {key: record.status.get(key) for key in ("state", "step", "steps")}
            for label, record in zip(self.labels, self.records, strict=True)
        ]
        numbers = [
            {
                "name": measurement.name,
                "direction": measurement.direction,
                "numbers": [None if number is None else number.to_json() for number in measurement.numbers],
                "differences": [measurement.difference(run) for run in range(len(self.records))],
                "unlike": [list(names) for names in measurement.unlike],
            }
            for measurement in self.measurements
        ]
        return {
            "schema": 1,
            "runs": runs,
            "baseline": None if self.baseline is None else self.labels[self.baseline],
            "groups": [[self.labels[run] for run in group] for group in self.groups],
            "spec": {key: list(values) for key, values in self.differences.items()},
            "numbers": numbers,
            "same_images": [self.labels[run] for run in self.images.sheets],
            "remarks": [*self.remarks, *self.images.remarks],
        }


def compare(runs: Sequence[Path | str], *, baseline: Path | str | None = None) -> Comparison:
    """Read several runs and compare them.

    Args:
        runs: run folders, or kept checkpoints such as `RUN@1200`, which stand for the run up to that step.
        baseline: the run to which the differences of scores relate; it is added to `runs` if it is not among them. By
            default, each score is compared with the first one of its metric and direction.

    Raises:
        UsageError: fewer than two runs are given.
        CheckpointError: one of the paths is not a run folder, or a run has no such checkpoint.
    """
    runs, base = _with_baseline(runs, baseline)
    if len(runs) < 2:
        raise UsageError("a comparison needs at least two runs", hint="for a single run, use cgkit report")
    records = tuple(map(read_record, runs))
    labels = _choose_labels(records)
    remarks = tuple(
        f"{label}: {record.problems[name]}"
        for label, record in zip(labels, records, strict=True)
        for name in (RESOLVED, "evaluation.json")
        if name in record.problems
    )
    scores, images = tuple(_match_numbers(records, base)), _find_shared_images(records, labels)
    return Comparison(records, labels, _compare_specs(records), scores, images, remarks, base)


def _with_baseline(runs: Sequence[Path | str], baseline: Path | str | None) -> tuple[Sequence[Path | str], int | None]:
    """Return the runs, with the baseline added in front unless it is among them, and the index of the baseline."""
    if baseline is None:
        return runs, None
    paths = [Path(run).resolve() for run in runs]
    if Path(baseline).resolve() in paths:
        return runs, paths.index(Path(baseline).resolve())
    return [baseline, *runs], 0


def _choose_labels(records: Sequence[Record]) -> tuple[str, ...]:
    """Return a label for each run: the name of its folder or, if that is not unique, the path of the folder."""
    places = [f"@{record.place}" if record.place else "" for record in records]
    names = [f"{record.folder.resolve().name}{place}" for record, place in zip(records, places, strict=True)]
    return tuple(
        name if names.count(name) == 1 else f"{record.folder}{place}"
        for name, record, place in zip(names, records, places, strict=True)
    )


def _compare_specs(records: Sequence[Record]) -> dict[str, tuple[Any, ...]]:
    specs = [dict(_flatten(record.spec)) for record in records]
    known = [spec for spec in specs if spec]
    keys = dict.fromkeys(key for spec in known for key in spec)
    return {
        key: tuple(spec.get(key) for spec in specs)
        for key in keys
        if any(spec.get(key) != known[0].get(key) for spec in known)
    }


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and the value of every entry that is not a table."""
    entries: Sequence[tuple[Any, Any]] | None = None
    if isinstance(value, Mapping):
        entries = list(value.items())
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        entries = list(enumerate(value))
    if entries is None:
        yield path, value
        return
    for key, inner in entries:
        yield from _flatten(inner, f"{path}.{key}" if path else str(key))


def _match_numbers(records: Sequence[Record], baseline: int | None) -> Iterator[Measurement]:
    runs = [
        {(number.name, number.direction): number for number in record.evaluation.numbers} if record.evaluation else {}
        for record in records
    ]
    for name, direction in dict.fromkeys(key for run in runs for key in run):
        numbers = tuple(run.get((name, direction)) for run in runs)
        first = Measurement(name, direction, numbers, (), baseline).first
        unlike = tuple(differing(first, number) if number is not None else () for number in numbers)
        yield Measurement(name, direction, numbers, unlike, baseline)


def _find_shared_images(records: Sequence[Record], labels: Sequence[str]) -> SharedImages:
    sheets: dict[int, Sheet] = {}
    steps: dict[int, int] = {}
    remarks = []
    for run, (record, label) in enumerate(zip(records, labels, strict=True)):
        if not record.sheets:
            remarks.append(f"{label}: {record.problems['samples']}")
            continue
        step = max(record.sheets)
        try:
            sheet = read_sheet(record.sheets[step])
        except CheckpointError as error:
            remarks.append(f"{label}: {error}")
            continue
        if not isinstance(sheet, Sheet):
            remarks.append(f"{label}: its sample sheets do not record which test images they show.")
        elif sheets and sheet.images != next(iter(sheets.values())).images:
            remarks.append(f"{label}: its test images differ from those of {labels[next(iter(sheets))]}.")
        else:
            sheets[run], steps[run] = sheet, step
    return SharedImages(sheets if len(sheets) > 1 else {}, steps, tuple(remarks))
