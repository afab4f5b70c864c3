"""The file that describes a study, and the runs that follow from it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from cgkit.errors import Problem, SpecError, UsageError, problems_from
from cgkit.spec.loading import located
from cgkit.spec.reading import Layer, read_layer

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)]
Overrides = dict[str, Any]

ALONE = "data"
"""The name of the only data set, if the study names none."""
MAX_RUNS = 10_000


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    base: Annotated[str, StringConstraints(pattern=r"^[^\x00]+$")]
    description: str = Field("", max_length=2000)
    seeds: list[Annotated[int, Field(ge=0, lt=2**63)]] = Field([0], min_length=1)
    baseline: Name | None = None
    metrics: list[str] | None = None
    expected: list[Name] = []
    variants: dict[Name, Overrides] = Field(min_length=1)
    data: dict[Name, Overrides] = Field(default_factory=lambda: dict[Name, Overrides]({ALONE: {}}), min_length=1)


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study.

    Attributes:
        data: the name of the data set.
        variant: the name of the variant.
        seed: the seed.
        overrides: the `path=value` texts that make the base spec that of the run.
    """

    data: str
    variant: str
    seed: int
    overrides: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The run folder, relative to that of the study."""
        return Path(self.data, self.variant, f"seed-{self.seed}")

    def __str__(self) -> str:
        return f"{self.variant}, seed {self.seed}" + ("" if self.data == ALONE else f", {self.data}")


@dataclass(frozen=True)
class Study:
    """A comparison of variants of a spec.

    Attributes:
        name: the name of the study.
        file: the file that describes it.
        base: the spec of which the variants are.
        description: what the study asks.
        seeds: the seeds with which each variant is trained.
        variants: the overrides of each variant, as tables and dotted keys.
        data: the overrides of each data set.
        baseline: the variant with which the others are compared.
        metrics: the metrics to show; all if it is None.
        expected: the order of variants that is expected, from best to worst, such as that of a publication.
        layer: the file as it was read, with the lines of its values.
    """

    name: str
    file: Path
    base: Path
    description: str
    seeds: tuple[int, ...]
    variants: Mapping[str, Overrides]
    data: Mapping[str, Overrides]
    baseline: str
    metrics: tuple[str, ...] | None = None
    expected: tuple[str, ...] = ()
    layer: Layer = field(kw_only=True, repr=False)

    def runs(self) -> list[PlannedRun]:
        """Return the runs, all variants and data sets of the first seed first, so that early results compare all."""
        return [
            PlannedRun(data, variant, seed, (*write_overrides(own), *write_overrides(changed), f"seed={seed}"))
            for seed in self.seeds
            for data, own in self.data.items()
            for variant, changed in self.variants.items()
        ]


def read_study(file: Path) -> Study:
    """Read the file of a study.

    Raises:
        SpecError: the file cannot be read or is invalid; the error lists all problems.
        UsageError: the file is a spec.
    """
    layer = read_layer(file)
    if "variants" not in layer.values and not {"generator", "train", "objective"}.isdisjoint(layer.values):
        raise UsageError(f"{file} is a spec and describes no study", hint=f"train it: cgkit run {file}")
    try:
        read = _File.model_validate(layer.values)
    except ValidationError as error:
        found = problems_from(error, layer.values, lambda place: _File.model_fields if len(place) == 1 else ())
        raise SpecError(located(found.values(), [layer])) from None
    if problems := list(_find_problems(read)):
        raise SpecError(located(problems, [layer]))
    return _build(read, layer, file)


def _build(read: _File, layer: Layer, file: Path) -> Study:
    return Study(
        name=read.name,
        file=file,
        layer=layer,
        base=(file.parent / read.base).resolve(),
        description=read.description.strip(),
        seeds=tuple(read.seeds),
        variants=read.variants,
        data=read.data,
        baseline=read.baseline or next(iter(read.variants)),
        metrics=None if read.metrics is None else tuple(read.metrics),
        expected=tuple(read.expected),
    )


def _find_problems(read: _File) -> Iterator[Problem]:
    named = [("baseline", read.baseline)] if read.baseline is not None else []
    named += [(f"expected.{index}", name) for index, name in enumerate(read.expected)]
    for place, name in named:
        if name not in read.variants:
            yield Problem(place, f"there is no variant {name!r}", f"variants: {', '.join(read.variants)}")
    if len(read.variants) != len({name.lower() for name in read.variants}):
        yield Problem("variants", "two names differ only in case, which some disks do not tell apart")
    if len(read.seeds) != len(set(read.seeds)):
        yield Problem("seeds", "a seed is named twice")
    if len(read.seeds) * len(read.variants) * len(read.data) > MAX_RUNS:
        yield Problem("variants", f"more than {MAX_RUNS} runs")


def write_overrides(overrides: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield overrides as `path=value` texts; a table inside changes only the keys that it has."""
    for key, value in overrides.items():
        path = f"{place}.{key}" if place else key
        if isinstance(value, Mapping):
            yield from write_overrides(value, path)
        else:
            yield f"{path}={_as_toml(value)}"


def _as_toml(value: Any) -> str:
    """Return a value as TOML on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_as_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_as_toml, value)) + "]"
    return tomli_w.dumps({"value": value}).partition(" = ")[2].strip()
