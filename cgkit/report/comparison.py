"""Several runs beside each other: where their specs differ, what they score, and the same test images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgkit.errors import CheckpointError, UsageError
from cgkit.evaluation.numbers import Number, differing
from cgkit.report.record import Record, read_record
from cgkit.runs.sample_sheet import Sheet, read_sheet


@dataclass(frozen=True)
class Measurement:
    """What one metric says of one direction of every run.

    Attributes:
        name: the metric.
        direction: `a2b` or `b2a`.
        numbers: one for each run; None where it was not measured.
        unlike: for each run, what its number does not share with the first one and would have to share; a number with
            any of that is not compared.
    """

    name: str
    direction: str
    numbers: tuple[Number | None, ...]
    unlike: tuple[tuple[str, ...], ...]

    @property
    def first(self) -> Number:
        """The number that the others are compared with."""
        return next(number for number in self.numbers if number is not None)

    def reason(self, place: int) -> str:
        """Return why the number of a run is not compared, in words; an empty text where it is."""
        number = self.numbers[place]
        if number is None:
            return "not measured"
        return "; ".join(
            f"{name} is {_said(number, name)}, not {_said(self.first, name)}" for name in self.unlike[place]
        )

    def difference(self, place: int) -> float | None:
        """Return by how much the value of a run is above the first one; None where they are not to be compared."""
        number = self.numbers[place]
        if number is None or number is self.first or self.unlike[place]:
            return None
        return number.value - self.first.value


@dataclass(frozen=True)
class SharedImages:
    """The newest sheets of those runs that show the same test images.

    Attributes:
        sheets: by the run's place, at least two; empty where there are none.
        steps: when they were drawn, by the run's place.
        remarks: which runs are not among them, and why.
    """

    sheets: Mapping[int, Sheet]
    steps: Mapping[int, int]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Several runs.

    Attributes:
        records: what their folders tell.
        labels: what tells them apart.
        differences: by place in the spec, the value of each run, where not all are the same; None where it has none.
        measurements: by metric and direction.
        images: the test images that they share.
        remarks: what could not be compared.
    """

    records: tuple[Record, ...]
    labels: tuple[str, ...]
    differences: Mapping[str, tuple[Any, ...]]
    measurements: tuple[Measurement, ...]
    images: SharedImages
    remarks: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        runs = [
            {"label": label, "folder": str(record.folder)}
            | {key: record.status.get(key) for key in ("state", "step", "steps")}
            for label, record in zip(self.labels, self.records, strict=True)
        ]
        numbers = [
            {
                "name": one.name,
                "direction": one.direction,
                "numbers": [None if number is None else number.to_json() for number in one.numbers],
                "differences": [one.difference(place) for place in range(len(self.records))],
                "unlike": [list(names) for names in one.unlike],
            }
            for one in self.measurements
        ]
        shared = [self.labels[place] for place in self.images.sheets]
        return {
            "schema": 1,
            "runs": runs,
            "spec": {path: list(values) for path, values in self.differences.items()},
            "numbers": numbers,
            "same_images": shared,
            "remarks": [*self.remarks, *self.images.remarks],
        }


def compare(runs: Sequence[Path | str]) -> Comparison:
    """Read several runs and lay them beside each other.

    Raises:
        UsageError: there are fewer than two.
        CheckpointError: one of them is no run folder.
    """
    if len(runs) < 2:
        raise UsageError("give two runs at least", hint="cgkit report shows a single one")
    records = tuple(read_record(Path(run)) for run in runs)
    labels = _labels(records)
    told = [
        f"{label}: {record.problems[name]}"
        for label, record in zip(labels, records, strict=True)
        for name in ("spec.resolved.json", "evaluation.json")
        if name in record.problems
    ]
    return Comparison(
        records, labels, _differences(records), tuple(_measurements(records)), _shared(records, labels), tuple(told)
    )


def _labels(records: Sequence[Record]) -> tuple[str, ...]:
    """Return the folders' names, or their whole paths where names are not enough."""
    names = [record.folder.resolve().name for record in records]
    return tuple(
        name if names.count(name) == 1 else str(record.folder) for name, record in zip(names, records, strict=True)
    )


def _differences(records: Sequence[Record]) -> dict[str, tuple[Any, ...]]:
    flat = [dict(_flat(record.spec)) for record in records]
    known = [values for values in flat if values]
    places = dict.fromkeys(place for values in known for place in values)
    return {
        place: tuple(values.get(place) for values in flat)
        for place in places
        if any(values.get(place) != known[0].get(place) for values in known)
    }


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is no table, with its place."""
    inside: Sequence[tuple[Any, Any]] | None = None
    if isinstance(value, Mapping):
        inside = list(value.items())
    elif isinstance(value, list) and any(isinstance(inner, Mapping) for inner in value):
        inside = list(enumerate(value))
    if inside is None:
        yield place, value
        return
    for key, inner in inside:
        yield from _flat(inner, f"{place}.{key}" if place else str(key))


def _measurements(records: Sequence[Record]) -> Iterator[Measurement]:
    measured = [
        {(number.name, number.direction): number for number in record.evaluation.numbers} if record.evaluation else {}
        for record in records
    ]
    for name, direction in dict.fromkeys(key for numbers in measured for key in numbers):
        numbers = tuple(of_run.get((name, direction)) for of_run in measured)
        first = next(number for number in numbers if number is not None)
        unlike = tuple(differing(first, number) if number is not None else () for number in numbers)
        yield Measurement(name, direction, numbers, unlike)


def _shared(records: Sequence[Record], labels: Sequence[str]) -> SharedImages:
    sheets: dict[int, Sheet] = {}
    steps: dict[int, int] = {}
    remarks = []
    for place, (record, label) in enumerate(zip(records, labels, strict=True)):
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
            remarks.append(f"{label}: its sheets do not say which test images they show.")
        elif sheets and sheet.images != next(iter(sheets.values())).images:
            remarks.append(f"{label}: it was shown other test images than {labels[next(iter(sheets))]}.")
        else:
            sheets[place], steps[place] = sheet, step
    return SharedImages(sheets if len(sheets) > 1 else {}, steps, tuple(remarks))


def _said(number: Number, field: str) -> str:
    if field in ("name", "direction", "better"):
        return str(getattr(number, field))
    return str(number.protocol.get(field))
