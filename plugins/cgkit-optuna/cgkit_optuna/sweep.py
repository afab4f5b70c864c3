"""The file that describes a sweep: a spec, a metric, and ranges of settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Annotated, Any, Literal

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cgkit.errors import Problem, SpecError, problems_from
from cgkit.spec.loading import located
from cgkit.spec.reading import read_layer

Value = bool | int | float | str


class Table(BaseModel):
    """A table of the file; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Parameter(Table):
    """The values that a setting may have: a range from `low` to `high`, whole if both are, or `choices`."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    step: int | float | None = None
    choices: Annotated[tuple[Value, ...], Field(min_length=1, strict=False)] | None = None

    @model_validator(mode="after")
    def _is_a_range_or_choices(self) -> Parameter:
        if (self.choices is None) == (self.low is None) or (self.low is None) != (self.high is None):
            raise ValueError("give either low and high, or choices")
        if self.choices is not None and (self.log or self.step is not None):
            raise ValueError("choices have neither log nor step")
        _ = self.distribution
        return self

    @property
    def distribution(self) -> BaseDistribution:
        """The values as Optuna describes them."""
        if self.low is None or self.high is None:
            return CategoricalDistribution(self.choices or ())
        if all(isinstance(bound, int) for bound in (self.low, self.high, self.step or 1)):
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step or 1))
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    @property
    def extremes(self) -> tuple[Value, ...]:
        """All choices, or the ends of the range."""
        distribution = self.distribution
        if isinstance(distribution, IntDistribution | FloatDistribution):
            return distribution.low, distribution.high
        return self.choices or ()


class Pruning(Table):
    """Successive halving: about one in `factor` of the trials at a rung goes on, none of the first `bootstrap`."""

    first: Annotated[int, Field(ge=1)]
    factor: Annotated[int, Field(ge=2, le=100)] = 4
    bootstrap: Annotated[int, Field(ge=0, le=10_000)] = 0

    def rungs(self) -> Iterator[int]:
        """Yield the steps of the rungs, without end."""
        return (self.first * self.factor**number for number in count())


class Sweep(Table):
    """A sweep.

    Attributes:
        spec: the spec whose settings are varied.
        metric: the metric to optimise, which the spec has to compute.
        direction: the direction of translation whose score counts; both: the mean of the two.
        better: whether higher or lower scores are better; by default as the metric declares.
        trials: the number of trials.
        seed: the seed of the choice of settings.
        parameters: the values of each setting, by its dotted path in the spec.
        pruning: when trials are ended early; by default never.
    """

    spec: Path = Field(strict=False)
    metric: Annotated[str, Field(min_length=1)]
    direction: Literal["both", "a2b", "b2a"] = "both"
    better: Literal["higher", "lower"] | None = None
    trials: Annotated[int, Field(ge=1, le=100_000)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    parameters: Annotated[dict[str, Parameter], Field(min_length=1)]
    pruning: Pruning | None = None

    def identity(self, spec: dict[str, Any]) -> str:
        """Return a digest of all that the trials of one study have to share; their number may grow.

        Args:
            spec: the resolved spec as JSON values.
        """
        values = {**self.model_dump(mode="json", exclude={"trials"}), "spec": spec}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def read_sweep(file: Path) -> Sweep:
    """Read the TOML file of a sweep; its spec is found relative to the file.

    Raises:
        SpecError: the file cannot be read or is not valid; the error lists all problems.
    """
    layer = read_layer(file)
    try:
        sweep = Sweep.model_validate(layer.values)
    except ValidationError as error:
        raise SpecError(located(problems_from(error, layer.values, _list_keys).values(), [layer])) from None
    problems = [
        Problem(
            f'parameters."{path}"',
            "trials that train for different times cannot be compared",
            "set it in the spec",
        )
        for path in sweep.parameters
        if path.split(".")[:2] in (["train", "steps"], ["train", "epochs"])
    ]
    sweep = sweep.model_copy(update={"spec": file.parent / sweep.spec})
    if not sweep.spec.is_file():
        problems.append(Problem("spec", f"there is no file {sweep.spec}"))
    if problems:
        raise SpecError(located(problems, [layer]))
    return sweep


def _list_keys(place: Sequence[str | int]) -> Iterable[str]:
    """Return the keys that a table may have, given the place of a key in it."""
    tables: dict[object, type[Table]] = {"pruning": Pruning, "parameters": Parameter}
    return (Sweep if len(place) == 1 else tables[place[0]]).model_fields


def override(path: str, value: Value) -> str:
    """Return a setting as `--set` takes it: `train.learning_rate=0.001`."""
    return f"{path}={json.dumps(value)}"
