"""The terms that a spec adds to the objective of the generators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from torch import Tensor, nn

from cgkit.abilities import needs_of
from cgkit.contracts import Extra, Generated, Given
from cgkit.engine.cyclegan import CycleGAN, CyclePass
from cgkit.engine.objective.losses import to_float32

IMAGES = {
    "a2b": {
        "source": "real_a",
        "target": "real_b",
        "translation": "fake_b",
        "reconstruction": "cycled_a",
        "identity": "identity_b",
    },
    "b2a": {
        "source": "real_b",
        "target": "real_a",
        "translation": "fake_a",
        "reconstruction": "cycled_b",
        "identity": "identity_a",
    },
}
"""For each direction, the field of `CyclePass` behind each image that a term may need."""

GENERATED = get_args(Generated)
EXTRAS = get_args(Extra)

Extras = Mapping[str, Tensor]
"""Extras of a batch by domain and name, such as `a.mask`; `a.mask.present` says which images have one."""


@dataclass(frozen=True)
class DirectedTerm:
    """A term of one direction.

    Attributes:
        name: the name of its loss, such as `patch-nce_a2b`.
        direction: `a2b` or `b2a`.
        weight: the factor of the term, greater than 0.
        module: computes the term; see `cgkit.contracts.Term`.
        number: the number of the term in the spec, from 0.
    """

    name: str
    direction: str
    weight: float
    module: nn.Module
    number: int = 0

    @property
    def generated(self) -> frozenset[str]:
        """The fields of `CyclePass` with the generated images that the term needs."""
        return frozenset(IMAGES[self.direction][need] for need in needs_of(self.module) if need in GENERATED)

    @property
    def extras(self) -> tuple[str, ...]:
        """The extras of the source images that the term needs."""
        return tuple(need for need in needs_of(self.module) if need in EXTRAS)

    def is_computable(self, cycle: CyclePass) -> bool:
        """Return whether a forward pass generated everything that the term needs."""
        return all(getattr(cycle, image) is not None for image in self.generated)

    def compute(self, model: CycleGAN, cycle: CyclePass, extras: Extras) -> Tensor:
        """Return the weighted term."""
        needed = {"source", "target", *needs_of(self.module)}
        images = {
            need: to_float32(getattr(cycle, field))[0]
            for need, field in IMAGES[self.direction].items()
            if need in needed
        }
        side = self.direction[0]
        given = Given(
            model.generators[self.direction],
            **images,
            extras={name: extras[f"{side}.{name}"] for name in self.extras},
            present={name: extras[f"{side}.{name}.present"] for name in self.extras},
        )
        term: Tensor = self.module(given)
        return self.weight * to_float32(term)[0] if isinstance(term, Tensor) else term
