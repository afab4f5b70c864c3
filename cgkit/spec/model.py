"""The structure of a spec: its tables, keys, types, bounds and defaults.

The same model serves specs as users write them and resolved specs, in which every component has all its options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from cgkit.spec.images import Data
from cgkit.spec.requirements import read_requirement
from cgkit.spec.start import Start
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
    "optimizer": "optimizers",
    "schedule": "schedules",
}
"""The registry for each table that names one component."""

ARRAYS = {
    "term": "terms",
    "augmentation": "augmentations",
    "metric": "metrics",
    "tracker": "trackers",
    "format": "formats",
}
"""The registry for each array of tables that name components."""

NETWORKS = ("generators", "discriminators")

SIDES = {"generator": ("a2b", "b2a"), "discriminator": ("a", "b"), "optimizer": NETWORKS, "schedule": NETWORKS}
"""The inner tables of each table that describes two things, one for each direction, domain or pair of networks."""


class GeneratorTable(Use):
    """Both generators; the tables `a2b` and `b2a`, named after the direction, override values for one generator."""

    a2b: Use | None = None
    b2a: Use | None = None


class DiscriminatorTable(Use):
    """Both discriminators; the tables `a` and `b`, named after the domain, override values for one discriminator."""

    a: Use | None = None
    b: Use | None = None


class OptimizerTable(Use):
    """Both optimisers; the tables `generators` and `discriminators` override values for one pair of networks."""

    generators: Use | None = None
    discriminators: Use | None = None


class ScheduleTable(Use):
    """Both schedules; the tables `generators` and `discriminators` override values for one pair of networks."""

    generators: Use | None = None
    discriminators: Use | None = None


class TermWeights(Table):
    """The weight of a term in each direction; a direction with weight 0 is not computed."""

    a2b: Weight = Field(default=1.0, description="For the generator from a to b.")
    b2a: Weight = Field(default=1.0, description="For the generator from b to a.")


class TermUse(Use):
    """A term of the objective with its weight and options."""

    weight: TermWeights = TermWeights()

    @field_validator("weight", mode="before")
    @classmethod
    def _expand_number(cls, value: Any) -> Any:
        if isinstance(value, Mapping | TermWeights):
            return value
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise ValueError("should be a number, or a table like { a2b = 1.0, b2a = 0.0 }")
        return {"a2b": value, "b2a": value}


class AugmentationUse(Use):
    """An augmentation with its options; with a `domain`, it applies only to images of that domain."""

    domain: Literal["a", "b"] | None = Field(default=None, description="The domain to augment; by default both.")


class AdversarialWeights(Table):
    """The weight of the adversarial loss in each direction."""

    a2b: Weight = Field(default=1.0, description="For translations from a to b.")
    b2a: Weight = Field(default=1.0, description="For translations from b to a.")


class CycleWeights(Table):
    """The weight of the cycle loss for each cycle."""

    forward: Weight = Field(default=10.0, description="From a to b and back to a.")
    backward: Weight = Field(default=10.0, description="From b to a and back to b.")


class IdentityWeights(Table):
    """The weight of the identity loss in each domain: a generator should not change images of its target domain."""

    a: Weight = Field(default=5.0, description="For the b2a generator on images of a.")
    b: Weight = Field(default=5.0, description="For the a2b generator on images of b.")


class Objective(Table):
    """The weights of the loss terms; a single number sets both weights of a term. Terms of weight 0 are skipped."""

    adversarial: AdversarialWeights = AdversarialWeights()
    cycle: CycleWeights = CycleWeights()
    identity: IdentityWeights = IdentityWeights()

    @field_validator("*", mode="before")
    @classmethod
    def _expand_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return dict.fromkeys(cls.model_fields[str(info.field_name)].default.model_dump(), value)
        return value


class Train(Table):
    """The length and the optimisation of a run. Give either steps or epochs; the default is 200 epochs."""

    steps: Steps | None = Field(default=None, description="Number of optimiser steps.")
    epochs: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None, description="Number of epochs, each of which shows every image of the larger domain once."
    )
    batch: int = Field(default=1, ge=1, le=65_536, description="Number of images of each domain in a batch.")
    accumulate: int = Field(
        default=1, ge=1, le=4096, description="Number of batches whose gradients are accumulated for one step."
    )
    learning_rate: float = Field(
        default=2e-4, gt=0, le=10, description="The learning rate, multiplied by the schedule's factor."
    )
    discriminator_learning_rate: float | None = Field(
        default=None,
        gt=0,
        le=10,
        description="Learning rate of the discriminators; by default, the value of learning_rate.",
    )
    discriminator_steps: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="The discriminators are trained in every step, the generators in every step whose number is a "
        "multiple of this. Each step has its own images.",
    )
    image_pool: int = Field(
        default=50,
        ge=0,
        le=100_000,
        description="Size of the pool of generated images that the discriminators are trained on; 0: no pool.",
    )
    ema: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Decay of the exponential moving average of the generators' weights; by default none.",
    )
    clip_gradients: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="Largest norm of the gradients, separately for the generators and for the discriminators; larger "
        "gradients are scaled down. By default, gradients are not clipped.",
    )
    precision: Literal["auto", "fp64", "fp32", "tf32", "bf16"] = Field(
        default="auto",
        description="Precision of the computation; tf32: fp32 with rounded factors, on a GPU; auto: bf16 on hardware "
        "with native support, otherwise fp32.",
    )
    deterministic: bool = Field(
        default=True,
        description="Whether a GPU uses only algorithms with reproducible results. On a CPU, all results are.",
    )
    memory: Literal["auto", "fast", "balanced", "low"] = Field(
        default="auto",
        description="How much memory to save; results do not change. fast: none; balanced: a step takes up to a few "
        "percent longer; low: a third longer; auto: balanced if it takes no longer, otherwise fast.",
    )
    cuda_graph: bool = Field(
        default=True,
        description="Whether a GPU runs each step as a CUDA graph, which is faster; results do not change. Without "
        "effect on a CPU.",
    )
    compile: bool | Literal["auto"] = Field(
        default="auto",
        description="Whether to use torch.compile, which makes the start slower but steps faster; auto: for long runs "
        "on a GPU, and only networks that have no fast layers of their own.",
    )
    initialisation: float = Field(default=0.02, gt=0, le=10, description="Standard deviation of the initial weights.")

    @model_validator(mode="after")
    def _check_length(self) -> Train:
        if self.steps is not None and self.epochs is not None:
            raise ValueError("should give steps or epochs, not both")
        return self


class Checkpoint(Table):
    """When checkpoints of the training state are written, and how many are kept."""

    every: Steps = Field(default=1000, description="Steps between checkpoints; the last step always has one.")
    keep: int = Field(default=3, ge=1, le=10_000, description="Number of newest checkpoints to keep.")


class Samples(Table):
    """When sheets of sample translations are written."""

    every: Steps = Field(default=500, description="Steps between sheets; the first and the last step always have one.")
    minutes: float = Field(
        default=10.0, gt=0, le=1e6, description="The longest time between two sheets, in minutes of training."
    )
    count: int = Field(default=4, ge=1, le=64, description="Number of test images of each domain on a sheet.")
    keep: int = Field(
        default=500,
        ge=3,
        le=1_000_000,
        description="Most sheets to keep; if there are more, every second one is removed, except the first and last.",
    )


class Log(Table):
    """When losses are recorded, and the time limit for trackers and hooks."""

    every: Steps = Field(
        default=10, description="Steps between records, each of which has the mean losses since the last one."
    )
    patience: float = Field(
        default=30.0, gt=0, le=86_400, description="Time limit in seconds for one call of a tracker or a plugin's hook."
    )


class Evaluation(Table):
    """When translations of the test images are scored, how the best model is chosen, and early stopping."""

    every: Steps | None = Field(default=None, description="Steps between evaluations; by default only at the end.")
    count: int = Field(default=64, ge=1, le=1_000_000, description="Number of test images to score.")
    seed: int = Field(
        default=0,
        ge=0,
        le=2**53,
        description="Seed of confidence intervals and random metrics; use the same seed in runs that you compare.",
    )
    best: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        description="The metric by which the best model is selected.",
    )
    direction: Literal["both", "a2b", "b2a"] = Field(
        default="both",
        description="The direction whose score selects the best model; both: the mean of the two directions.",
    )
    better: Literal["higher", "lower"] | None = Field(
        default=None, description="Whether higher or lower scores are better; by default as the metric declares."
    )
    patience: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        default=None,
        description="Early stopping: training ends after this number of evaluations in a row without improvement.",
    )


def _check_requirement(text: str) -> str:
    read_requirement(text)
    return text


Requirement = Annotated[str, Field(max_length=200), AfterValidator(_check_requirement)]
MAX_USES = Field(max_length=100)
Uses = Annotated[tuple[Use, ...], MAX_USES]


class Spec(Table):
    """A spec: everything that determines a training run, as tables and keys."""

    name: str = Field(default="run", pattern=r"^[\w][\w. -]{0,99}$", description="The name of the run.")
    seed: int = Field(default=0, ge=0, le=2**53, description="The seed of all randomness.")
    license: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.+-]{0,63}$",
        description='The licence of the weights, for the model card, such as "cc-by-4.0".',
    )
    requires: Annotated[tuple[Requirement, ...], Field(max_length=100)] | None = Field(
        default=None, description='The packages that the components come from, such as ["cgkit-stains >= 0.1, < 1"].'
    )
    data: Data = Data()
    start: Start | None = None
    generator: GeneratorTable = GeneratorTable()
    discriminator: DiscriminatorTable = DiscriminatorTable()
    adversarial_loss: Use = Use()
    cycle_loss: Use = Use()
    identity_loss: Use = Use()
    objective: Objective = Objective()
    term: Annotated[tuple[TermUse, ...], MAX_USES] = Field(
        default=(), description="Further terms of the generators' objective."
    )
    augmentation: Annotated[tuple[AugmentationUse, ...], MAX_USES] | None = Field(
        default=None, description="Augmentations, applied in order; [] for none."
    )
    train: Train = Train()
    optimizer: OptimizerTable = OptimizerTable()
    schedule: ScheduleTable = ScheduleTable()
    checkpoint: Checkpoint = Checkpoint()
    samples: Samples = Samples()
    log: Log = Log()
    evaluation: Evaluation = Evaluation()
    metric: Uses | None = Field(default=None, description="Metrics that score translations; [] for none.")
    tracker: Uses | None = Field(
        default=None, description="Where losses and scores are recorded, in addition to metrics.jsonl."
    )
    format: Uses | None = Field(
        default=None,
        description="Options of image formats. A format that is named here is preferred to others for the same files.",
    )
    plugins: Annotated[dict[str, dict[str, Any]], Field(max_length=100)] | None = Field(
        default=None, description="Settings of plugins' hooks, in one table for each package: `[plugins.cgkit-halo]`."
    )

    @field_validator(*ARRAYS, mode="before")
    @classmethod
    def _refuse_name(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str):
            example = f'{info.field_name} = [{{ name = "{value}" }}]'
            raise ValueError(f"should be an array of tables; write {example}")
        # In strict mode pydantic accepts a JSON array as a tuple, but not a Python list.
        return tuple(value) if isinstance(value, list) else value

    def to_json(self) -> dict[str, Any]:
        """Return the spec as JSON values, structured like a spec file."""
        return self.model_dump(mode="json", exclude_none=True)
