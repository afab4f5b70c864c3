"""The objects that a resolved spec names, put together. Nothing else turns names into components, except for
formats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from cgkit.contracts import Schedule, Source
from cgkit.data.preparation import Preparation
from cgkit.engine.assembly.builder import Augmentations, Builder
from cgkit.engine.cyclegan import CycleGAN
from cgkit.engine.objective import Adversarial, DirectedTerm, Objective
from cgkit.engine.optimizers import Build
from cgkit.evaluation.scoring import Measured
from cgkit.plugins import Plugins
from cgkit.registry import Component
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.model import NETWORKS, Train


@dataclass(frozen=True)
class Assembly:
    """The objects built from a resolved spec."""

    model: CycleGAN
    objective: Objective
    optimizers: Mapping[str, Build]
    """Builds the optimiser of the `generators` and of the `discriminators`."""
    schedules: Mapping[str, Schedule]
    """The schedule of each optimiser."""
    source: Source
    preparations: tuple[Preparation, Preparation]
    """How training images of domains a and b are prepared."""
    metrics: tuple[Measured, ...]
    components: Mapping[str, Component]
    """The components by their place in the spec: `generator.a2b`, `cycle_loss`, `augmentation.0` and so on."""

    @property
    def test_preparations(self) -> tuple[Preparation, Preparation]:
        """How test images of domains a and b are prepared."""
        return _preparations_of_tests(self.source, self.preparations)


def assemble(spec: Spec, plugins: Plugins, *, fresh: bool = True, memory: int | None = None) -> Assembly:
    """Build everything that a resolved spec names.

    The initial weights of the networks depend only on the spec.

    Args:
        spec: the resolved spec.
        plugins: the loaded plugins.
        fresh: whether the run is new, so that components that read their first weights from files do so.
        memory: the bytes of memory to train in; networks that certainly do not fit are refused before they fill it.

    Raises:
        SpecError: a component rejects its options, or there is a second framing augmentation.
        DataError: the source of the images cannot be used.
        PluginError: a component cannot be built, or it is not what its place in the spec requires.
    """
    builder = Builder(spec, plugins, fresh=fresh, memory=memory)
    augmentations = builder.augmentations()
    source, model = builder.source(), builder.model()
    terms = builder.terms(model)
    objective = Objective(
        spec.objective,
        adversarial=Adversarial(
            {domain: builder.adversarial_losses(model, domain) for domain in "ab"},
            {domain: augmentations[domain].adversarial for domain in "ab"},
        ),
        cycle_loss=builder.component("reconstruction_losses", "cycle_loss", spec.cycle_loss),
        identity_loss=builder.component("reconstruction_losses", "identity_loss", spec.identity_loss),
        terms=terms,
    )
    preparation_a, preparation_b = (_preparation(builder, augmentations[side], _extras(terms, side)) for side in "ab")
    return Assembly(
        model=model,
        objective=objective,
        optimizers={name: builder.optimizer(name) for name in NETWORKS},
        schedules={name: builder.schedule(name) for name in NETWORKS},
        source=source,
        preparations=(preparation_a, preparation_b),
        metrics=builder.metrics(source),
        components=builder.components,
    )


@dataclass(frozen=True)
class EvaluationAssembly:
    """The objects needed to evaluate a trained model: its images and metrics."""

    source: Source
    preparations: tuple[Preparation, Preparation]
    """How test images of domains a and b are prepared."""
    metrics: tuple[Measured, ...]
    components: Mapping[str, Component]
    """The components by their place in the spec."""


def assemble_for_evaluation(spec: Spec, plugins: Plugins, *, fallbacks: bool = True) -> EvaluationAssembly:
    """Build only the objects of a resolved spec that are needed to evaluate a model.

    Args:
        spec: the resolved spec.
        plugins: the loaded plugins.
        fallbacks: whether to add the fallback metrics if none of the spec's metrics applies to the test images.

    Raises:
        CgkitError: the source or a metric cannot be built; see `assemble` for the subclasses.
    """
    builder = Builder(spec, plugins)
    source = builder.source()
    metrics = builder.metrics(source, fallbacks=fallbacks)
    augmentations = builder.augmentations()
    preparation_a, preparation_b = (_preparation(builder, augmentations[side]) for side in "ab")
    preparations = _preparations_of_tests(source, (preparation_a, preparation_b))
    return EvaluationAssembly(source, preparations, metrics, builder.components)


def build_generator(spec: Spec, plugins: Plugins, direction: str) -> nn.Module:
    """Build the generator of one direction, `a2b` or `b2a`, with its initial weights."""
    return Builder(spec, plugins).generator(direction)


def build_networks(spec: Spec, plugins: Plugins) -> CycleGAN:
    """Build all four networks, with weights that are to be replaced by those of a checkpoint."""
    return Builder(spec, plugins).model()


def former_optimizers(
    values: Mapping[str, Any], spec: Spec, plugins: Plugins
) -> tuple[Mapping[str, Build], Train] | None:
    """Return how the optimisers of a saved run were built, and its training settings, if any of these have changed.

    Args:
        values: the resolved spec with which the state was saved.
        spec: the resolved spec now.
        plugins: the loaded plugins.
    """
    saved = {table: values[table] for table in ("optimizer", "train") if table in values}
    now = spec.to_json()
    if all(value == now[table] for table, value in saved.items()):
        return None
    before = resolve_spec(saved, plugins)
    builder = Builder(before, plugins)
    return {name: builder.optimizer(name) for name in NETWORKS}, before.train


def _preparation(builder: Builder, augmentations: Augmentations, extras: tuple[str, ...] = ()) -> Preparation:
    """Return how the training images of a domain are prepared."""
    return Preparation(
        builder.size,
        augmentations.framing,
        tuple(augmentations.data),
        extras,
        builder.formats,
        augmentations.framed_as,
    )


def _preparations_of_tests(source: Source, of: tuple[Preparation, Preparation]) -> tuple[Preparation, Preparation]:
    """Return how test images are prepared: like training images, but aligned ones are all framed as those of a."""
    return (of[0], of[0]) if source.aligned else of


def _extras(terms: Sequence[DirectedTerm], side: str) -> tuple[str, ...]:
    """Return the extras that terms need of the images of a domain."""
    return tuple(dict.fromkeys(name for term in terms if term.direction[0] == side for name in term.extras))
