"""Build the objects that a resolved spec names. Nothing else turns names into components, except for formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import torch
from torch import nn
from torch.nn.utils import parametrize

from cgkit.abilities import initialises_itself, role_of
from cgkit.contracts import Compared, Schedule, Size, Source
from cgkit.data.file_formats import load_formats
from cgkit.data.loading import Preparation
from cgkit.data.randomness import derive_seed, seeded
from cgkit.engine.cyclegan import CycleGAN
from cgkit.engine.objective import Objective
from cgkit.errors import CgkitError, PluginError, Problem, SpecError
from cgkit.evaluation.scoring import Measured
from cgkit.images.formats import Formats
from cgkit.options import build, check_options, paths_among, recommended_options
from cgkit.plugins import Plugins
from cgkit.registry import Component
from cgkit.spec import Spec, Use


@dataclass(frozen=True)
class Assembly:
    """The objects built from a resolved spec."""

    model: CycleGAN
    objective: Objective
    schedule: Schedule
    source: Source
    preparation: Preparation
    metrics: tuple[Measured, ...]
    components: Mapping[str, Component]
    """The components by their place in the spec: `generator.a2b`, `cycle_loss`, `augmentation.0` and so on."""


def assemble(spec: Spec, plugins: Plugins) -> Assembly:
    """Build everything that a resolved spec names.

    The initial weights of the networks depend only on the spec.

    Raises:
        SpecError: a component rejects its options, or there is a second framing augmentation.
        DataError: the source of the images cannot be used.
        PluginError: a component cannot be built, or it is not what its place in the spec requires.
    """
    builder = _Builder(spec, plugins)
    framing, data, adversarial = builder.augmentations()
    objective = Objective(
        spec.objective,
        adversarial_loss=builder.component("adversarial_losses", "adversarial_loss", spec.adversarial_loss),
        cycle_loss=builder.component("reconstruction_losses", "cycle_loss", spec.cycle_loss),
        identity_loss=builder.component("reconstruction_losses", "identity_loss", spec.identity_loss),
        augmentations=adversarial,
    )
    source = builder.source()
    return Assembly(
        model=builder.model(),
        objective=objective,
        schedule=builder.component("schedules", "schedule", spec.schedule),
        source=source,
        preparation=Preparation(spec.data.size, framing, data, builder.formats),
        metrics=builder.metrics(aligned=bool(source.aligned)),
        components=builder.components,
    )


@dataclass(frozen=True)
class EvaluationAssembly:
    """The objects needed to evaluate a trained model: its images and metrics."""

    source: Source
    preparation: Preparation
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
    builder = _Builder(spec, plugins)
    source = builder.source()
    metrics = builder.metrics(aligned=bool(source.aligned), fallbacks=fallbacks)
    return EvaluationAssembly(source, Preparation(spec.data.size, formats=builder.formats), metrics, builder.components)


def build_generator(spec: Spec, plugins: Plugins, direction: str) -> nn.Module:
    """Build the generator of one direction, `a2b` or `b2a`, with its initial weights."""
    return _Builder(spec, plugins).generator(direction)


def initialise(network: nn.Module, standard_deviation: float) -> None:
    """Initialise the weights of convolutions, linear layers, batch norms and group norms; set their biases to zero.

    Weights are drawn from a normal distribution with mean 0, the scales of norms from one with mean 1. The paper's
    standard deviation is 0.02 (section 4). A network that declares `initialises_itself = True` is left alone.
    """
    if initialises_itself(network):
        return
    for module in network.modules():
        if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
            nn.init.normal_(_unparametrised_weight(module), 0.0, standard_deviation)
        elif isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.GroupNorm)) and module.weight is not None:
            nn.init.normal_(module.weight, 1.0, standard_deviation)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class _Builder:
    def __init__(self, spec: Spec, plugins: Plugins) -> None:
        self._spec = spec
        self._registries = plugins.registries
        self.components: dict[str, Component] = {}
        self._plugins = plugins

    @cached_property
    def formats(self) -> Formats:
        return load_formats(self._plugins, self._spec.format or ())

    def model(self) -> CycleGAN:
        return CycleGAN(
            self.generator("a2b"), self.generator("b2a"), self._discriminator("a"), self._discriminator("b")
        )

    def generator(self, direction: str) -> nn.Module:
        channels = self._spec.data.channels
        given = channels if direction == "a2b" else channels[::-1]
        use = self._spec.generator.a2b if direction == "a2b" else self._spec.generator.b2a
        return self._network("generators", f"generator.{direction}", use or Use(), *given)

    def _discriminator(self, domain: str) -> nn.Module:
        table = self._spec.discriminator
        use, channels = (
            (table.a, self._spec.data.channels[0]) if domain == "a" else (table.b, self._spec.data.channels[1])
        )
        return self._network("discriminators", f"discriminator.{domain}", use or Use(), channels)

    def source(self) -> Source:
        data = self._spec.data
        with self.formats.listed():
            source: Source = self.component("sources", "data", Use(name=data.source, **data.options), data.size)
        return source

    def metrics(self, *, aligned: bool, fallbacks: bool = True) -> tuple[Measured, ...]:
        """Return the spec's metrics; if none of these applies to the images, add the fallback metrics."""
        uses, data = self._spec.metric or (), self._spec.data
        metrics = [self._metric(f"metric.{number}", use) for number, use in enumerate(uses)]
        if fallbacks and uses and not any(m.applies(aligned=aligned, channels=data.channels) for m in metrics):
            others = self._registries.metrics.fallbacks()
            metrics += [self._metric(f"metric.{other.name}", _use_defaults(other, data.size)) for other in others]
        return tuple(metrics)

    def _metric(self, place: str, use: Use) -> Measured:
        metric = self.component("metrics", place, use)
        paths = paths_among(self.components[place])  # left out, because the location of a file does not affect scores
        options = {name: value for name, value in use.options.items() if name not in paths}
        measured = Measured(str(use.name), metric, options)
        if measured.compares not in get_args(Compared):
            raise PluginError(
                f'metric "{use.name}" compares {measured.compares!r}, not one of {", ".join(get_args(Compared))}'
            )
        return measured

    def augmentations(self) -> tuple[nn.Module | None, tuple[nn.Module, ...], dict[str, list[nn.Module]]]:
        """Return the augmentations by role: framing, training images, and the inputs of each discriminator."""
        by_role: dict[str, list[nn.Module]] = {"framing": [], "data": [], "adversarial": []}
        adversarial: dict[str, list[nn.Module]] = {"a": [], "b": []}
        for number, use in enumerate(self._spec.augmentation or ()):
            place = f"augmentation.{number}"
            augmentation = self.component("augmentations", place, use)
            role = role_of(augmentation)
            if role not in by_role:
                raise PluginError(f'augmentation "{use.name}" has role {role!r}, not one of {", ".join(by_role)}')
            by_role[role].append(augmentation)
            if role == "adversarial":
                # Each discriminator has its own instance, because an augmentation may adapt to its discriminator.
                adversarial["a"].append(augmentation)
                adversarial["b"].append(self.component("augmentations", place, use))
            if len(by_role["framing"]) > 1:
                raise SpecError([Problem(place, f'"{use.name}" is a second framing augmentation; keep only one')])
        framing = by_role["framing"][0] if by_role["framing"] else None
        return framing, tuple(by_role["data"]), adversarial

    def component(self, kind: str, place: str, use: Use, *given: Any) -> Any:
        with self._seed_weights(place):
            return self._build(kind, place, use, *given)

    def _network(self, kind: str, place: str, use: Use, *given: Any) -> nn.Module:
        with self._seed_weights(place):
            network = self._build(kind, place, use, *given)
            if not isinstance(network, nn.Module):
                raise PluginError(f'{place} "{use.name}" is a {type(network).__name__}, not an nn.Module')
            initialise(network, self._spec.train.initialisation)
        return network

    def _build(self, kind: str, place: str, use: Use, *given: Any) -> Any:
        component = self._registries[kind][use.name or ""]
        self.components[place] = component
        with _locate_option_errors(place):
            return build(component, *given, options=use.options)

    def _seed_weights(self, place: str) -> AbstractContextManager[None]:
        """Seed each component differently: networks of equal architecture must not start with equal weights."""
        return seeded(derive_seed(self._spec.seed, f"weights-{place}"))


@contextmanager
def _locate_option_errors(place: str) -> Iterator[None]:
    try:
        yield
    except CgkitError:
        raise
    except ValueError as error:
        raise SpecError([Problem(place, str(error))]) from error


def _use_defaults(component: Component, size: Size) -> Use:
    """Return the spec table that selects a component with its default and recommended options."""
    options, _ = check_options(component, {}, suggested=recommended_options(component, size))
    return Use(name=component.name, **options)


def _unparametrised_weight(module: nn.Module) -> torch.Tensor:
    """Return the parameter behind a module's weight, even if the weight is parametrised (as by spectral norm)."""
    if parametrize.is_parametrized(module, "weight"):
        original: torch.Tensor = module.parametrizations.weight.original  # type: ignore[union-attr, assignment]
        return original
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    return weight
