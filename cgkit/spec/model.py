"""The structure of a spec: its tables, keys, types, bounds and defaults.

The same model reads what a user wrote and the resolved form, in which every component is named with all its options.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from cgkit.spec.images import Data
from cgkit.spec.requirements import read_requirement
from cgkit.spec.tables import Table, Use

Weight = Annotated[float, Field(ge=0, le=1e6)]
Steps = Annotated[int, Field(ge=1, le=100_000_000)]

COMPONENT_TABLES = {
    "data": "sources",
    "generator": "generators",
    "discriminator": "discriminators",
    "adversarial_loss": "adversarial_losses",
    "cycle_loss": "reconstruction_losses",
    "identity_loss": "reconstruction_losses",
    "schedule": "schedules",
}
"""The tables that each name one component, and the registry in which to look it up."""

ARRAYS = {"augmentation": "augmentations", "metric": "metrics", "tracker": "trackers"}
"""The arrays of tables that each name one component, and the registry in which to look it up."""

SIDES = {"generator": ("a2b", "b2a"), "discriminator": ("a", "b")}
"""The tables within those that each say something about one of two networks."""


class GeneratorTable(Use):
    """The generators; `a2b` and `b2a` may differ from what the table says for both."""

    a2b: Use | None = None
    b2a: Use | None = None


class DiscriminatorTable(Use):
    """The discriminators; `a` and `b` (the domain that each judges) may differ from what the table says for both."""

    a: Use | None = None
    b: Use | None = None


class AdversarialWeights(Table):
    """The weight of the adversarial loss of each direction."""

    a2b: Weight = Field(default=1.0, description="For translations of a, which should look like b.")
    b2a: Weight = Field(default=1.0, description="For translations of b, which should look like a.")


class CycleWeights(Table):
    """The weights of both cycles: forward is a to b to a, backward is b to a to b."""

    forward: Weight = Field(default=10.0, description="a to b and back to a.")
    backward: Weight = Field(default=10.0, description="b to a and back to b.")


class IdentityWeights(Table):
    """The weights of the identity loss on images of each domain: of b, the a2b generator should change nothing."""

    a: Weight = Field(default=5.0, description="What the b2a generator changes on images of a.")
    b: Weight = Field(default=5.0, description="What the a2b generator changes on images of b.")


class Objective(Table):
    """The weights of the loss terms; one number stands for both directions. A pass of weight zero is not computed."""

    adversarial: AdversarialWeights = AdversarialWeights()
    cycle: CycleWeights = CycleWeights()
    identity: IdentityWeights = IdentityWeights()

    @field_validator("adversarial", "cycle", "identity", mode="before")
    @classmethod
    def _both(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return dict.fromkeys(cls.model_fields[str(info.field_name)].default.model_dump(), value)
        return value


class Train(Table):
    """The length of a run and how it optimises. Either steps or epochs; without both, 200 epochs."""

    steps: Steps | None = Field(default=None, description="Optimiser steps.")
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Passes over the larger domain, turned into steps."
    )
    batch: int = Field(default=1, ge=1, le=65_536, description="Images of each domain a step.")
    accumulate: int = Field(default=1, ge=1, le=4096, description="Batches whose gradients make up one step.")
    learning_rate: float = Field(default=2e-4, gt=0, le=10, description="Of Adam, before the schedule's factor.")
    discriminator_learning_rate: float | None = Field(
        default=None, gt=0, le=10, description="Where it differs from learning_rate."
    )
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=(0.5, 0.999), description="How slowly Adam's two averages forget."
    )
    image_pool: int = Field(
        default=50, ge=0, le=100_000, description="Made images kept to show the discriminators (0: none)."
    )
    ema: float | None = Field(
        default=None, ge=0, lt=1, description="Decay of a moving average of the generators' weights."
    )
    clip_gradients: float | None = Field(default=None, gt=0, le=1e9, description="Largest norm of a step's gradient.")
    precision: Literal["auto", "fp64", "fp32", "bf16"] = Field(
        default="auto", description="bf16 where the hardware multiplies it natively, with auto; else fp32."
    )
    memory: Literal["auto", "fast", "balanced", "low"] = Field(
        default="auto",
        description="The same numbers with less memory: balanced for a few percent more time, low for a third more. "
        "auto: balanced where it takes no longer, else fast.",
    )
    compile: bool | Literal["auto"] = Field(
        default="auto",
        description="torch.compile for the networks: first a wait, then faster steps; auto: long runs on a GPU.",
    )
    initialisation: float = Field(default=0.02, gt=0, le=10, description="Standard deviation of the initial weights.")

    @model_validator(mode="after")
    def _one_budget(self) -> Train:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("should give steps or epochs, not both")
        return self


class Checkpoint(Table):
    """When the whole state is saved."""

    every: Steps = Field(default=1000, description="Steps between checkpoints; the end always has one.")
    keep: int = Field(default=3, ge=1, le=10_000, description="How many of the newest to keep.")


class Samples(Table):
    """When a sheet of test images is drawn."""

    every: Steps = Field(default=500, description="Steps between sheets; the end always has one.")
    count: int = Field(default=4, ge=1, le=64, description="Test images of each domain on a sheet.")


class Log(Table):
    """When losses are recorded, and how long whoever records them may take."""

    every: Steps = Field(default=10, description="Steps between records of the losses' means.")
    patience: float = Field(
        default=30.0, gt=0, le=86_400, description="Seconds that a tracker or a plugin's hook may take at a time."
    )


class Evaluation(Table):
    """When translations of the test images are scored, and what follows from it."""

    every: Steps | None = Field(default=None, description="Steps between scores; without it, at the end only.")
    count: int = Field(default=64, ge=1, le=1_000_000, description="How many test images are scored.")
    seed: int = Field(
        default=0, ge=0, le=2**53, description="Of intervals and of metrics that draw: the same in runs to be compared."
    )
    best: str | None = Field(
        default=None, min_length=1, max_length=200, description="The metric by which the best model so far is kept."
    )
    direction: Literal["both", "a2b", "b2a"] = Field(
        default="both", description="The direction that it judges; both is the mean of the two."
    )
    better: Literal["higher", "lower"] | None = Field(
        default=None, description="Whether higher or lower is best; without it, as the metric says."
    )
    patience: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Scores in a row that are no better than the best, after which training ends."
    )


def _is_requirement(text: str) -> str:
    read_requirement(text)
    return text


Requirement = Annotated[str, Field(max_length=200), AfterValidator(_is_requirement)]
Uses = Annotated[tuple[Use, ...], Field(max_length=100)]


class Spec(Table):
    """A whole spec."""

    name: str = Field(default="run", pattern=r"^[\w][\w. -]{0,99}$", description="What the run is called.")
    seed: int = Field(default=0, ge=0, le=2**53, description="What all randomness derives from.")
    license: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$",
        description='The licence of the weights, for the model card: "cc-by-4.0".',
    )
    requires: Annotated[tuple[Requirement, ...], Field(max_length=100)] | None = Field(
        default=None, description='The packages that the components come from: ["cgkit-stains >= 0.1, < 1"].'
    )
    data: Data = Data()
    generator: GeneratorTable = GeneratorTable()
    discriminator: DiscriminatorTable = DiscriminatorTable()
    adversarial_loss: Use = Use()
    cycle_loss: Use = Use()
    identity_loss: Use = Use()
    objective: Objective = Objective()
    augmentation: Uses | None = Field(default=None, description="Applied in order; [] for none.")
    train: Train = Train()
    schedule: Use = Use()
    checkpoint: Checkpoint = Checkpoint()
    samples: Samples = Samples()
    log: Log = Log()
    evaluation: Evaluation = Evaluation()
    metric: Uses | None = Field(default=None, description="What translations are scored by; [] for nothing.")
    tracker: Uses | None = Field(default=None, description="Where numbers are written, beside metrics.jsonl.")

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values, in the shape in which it is written."""
        return self.model_dump(mode="json", exclude_none=True)
