"""From a resolved spec to objects: the only place where names become components."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import nn
from torch.nn.utils import parametrize

from cgkit.contracts import Compared, Schedule, Size, Source
from cgkit.data.loading import Preparation
from cgkit.data.randomness import derive_seed, seeded
from cgkit.engine.cyclegan import CycleGAN
from cgkit.engine.objective import Objective
from cgkit.errors import CgkitError, PluginError, Problem, SpecError
from cgkit.evaluation.scoring import Measured
from cgkit.options import build, check_options, paths_among, recommended_options
from cgkit.plugins import Plugins
from cgkit.registry import Component
from cgkit.spec import Spec, Use


@dataclass(frozen=True)
class Assembly:
    """The objects that a spec names, built."""

    model: CycleGAN
    objective: Objective
    schedule: Schedule
    source: Source
    preparation: Preparation
    metrics: tuple[Measured, ...]
    components: Mapping[str, Component]
    """What stands at each place of the spec: `generator.a2b`, `cycle_loss`, `augmentation.0` ..."""


def assemble(spec: Spec, plugins: Plugins) -> Assembly:
    """Build everything that a resolved spec names.

    The networks' initial weights are a function of the spec's seed.

    Raises:
        SpecError: options of a component do not fit together.
        DataError: the source cannot be used.
        PluginError: a component cannot be built.
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
        preparation=Preparation(spec.data.size, framing, data),
        metrics=builder.metrics(aligned=bool(source.aligned)),
        components=builder.components,
    )


@dataclass(frozen=True)
class Bench:
    """What a model that was trained is measured with: images and metrics."""

    source: Source
    preparation: Preparation
    metrics: tuple[Measured, ...]
    components: Mapping[str, Component]
    """What stands at each place of the spec."""


def assemble_bench(spec: Spec, plugins: Plugins, *, fallbacks: bool = True) -> Bench:
    """Build what a resolved spec names for measuring alone.

    Args:
        spec: the resolved spec.
        plugins: the loaded plugins.
        fallbacks: whether other metrics are taken where none that the spec names applies.

    Raises:
        CgkitError: as of `assemble`.
    """
    builder = _Builder(spec, plugins)
    source = builder.source()
    metrics = builder.metrics(aligned=bool(source.aligned), fallbacks=fallbacks)
    return Bench(source, Preparation(spec.data.size), metrics, builder.components)


def build_generator(spec: Spec, plugins: Plugins, direction: str) -> nn.Module:
    """Build the generator of one direction, `a2b` or `b2a`, with initial weights."""
    return _Builder(spec, plugins).generator(direction)


def initialise(network: nn.Module, standard_deviation: float) -> None:
    """Draw a network's convolutions from N(0, standard deviation) and its norms' scales from N(1, the same).

    As published (section 4 of the paper, 0.02). A network that declares `initialises_itself = True` is left alone.
    """
    if getattr(network, "initialises_itself", False):
        return
    for module in network.modules():
        if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
            nn.init.normal_(_stored_weight(module), 0.0, standard_deviation)
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
        source: Source = self.component("sources", "data", Use(name=data.source, **data.options), data.size)
        return source

    def metrics(self, *, aligned: bool, fallbacks: bool = True) -> tuple[Measured, ...]:
        """Return those that the spec names; where none of them applies to the test images, the fallbacks besides."""
        uses = self._spec.metric or ()
        named = [self._metric(f"metric.{number}", use) for number, use in enumerate(uses)]
        channels = self._spec.data.channels
        if fallbacks and uses and not any(one.applies(aligned=aligned, channels=channels) for one in named):
            others = self._registries.metrics.fallbacks()
            named += [self._metric(f"metric.{one.name}", _alone(one, self._spec.data.size)) for one in others]
        return tuple(named)

    def _metric(self, place: str, use: Use) -> Measured:
        metric = self.component("metrics", place, use)
        paths = paths_among(self.components[place])  # where a file lies changes no number
        options = {name: value for name, value in use.options.items() if name not in paths}
        measured = Measured(str(use.name), metric, options)
        if measured.compares not in get_args(Compared):
            raise PluginError(
                f'metric "{use.name}" compares {measured.compares!r}, not one of {", ".join(get_args(Compared))}'
            )
        return measured

    def augmentations(self) -> tuple[nn.Module | None, tuple[nn.Module, ...], dict[str, list[nn.Module]]]:
        """Return the framing, those for training images, and those for what each discriminator sees."""
        by_role: dict[str, list[nn.Module]] = {"framing": [], "data": [], "adversarial": []}
        adversarial: dict[str, list[nn.Module]] = {"a": [], "b": []}
        for number, use in enumerate(self._spec.augmentation or ()):
            place = f"augmentation.{number}"
            augmentation = self.component("augmentations", place, use)
            role = getattr(augmentation, "role", None)
            if role not in by_role:
                raise PluginError(f'augmentation "{use.name}" has role {role!r}, not one of {", ".join(by_role)}')
            by_role[role].append(augmentation)
            if role == "adversarial":
                # Each discriminator has its own: what adapts, adapts to the one that it serves.
                adversarial["a"].append(augmentation)
                adversarial["b"].append(self.component("augmentations", place, use))
            if len(by_role["framing"]) > 1:
                raise SpecError([Problem(place, f'"{use.name}" is a second framing, one is all there can be')])
        framing = by_role["framing"][0] if by_role["framing"] else None
        return framing, tuple(by_role["data"]), adversarial

    def component(self, kind: str, place: str, use: Use, *given: Any) -> Any:
        with self._weights_drawn(place):
            return self._built(kind, place, use, *given)

    def _network(self, kind: str, place: str, use: Use, *given: Any) -> nn.Module:
        with self._weights_drawn(place):
            network = self._built(kind, place, use, *given)
            if not isinstance(network, nn.Module):
                raise PluginError(f'{place} "{use.name}" is a {type(network).__name__}, not an nn.Module')
            initialise(network, self._spec.train.initialisation)
        return network

    def _built(self, kind: str, place: str, use: Use, *given: Any) -> Any:
        component = self._registries[kind][use.name or ""]
        self.components[place] = component
        with _options_that_fit(place):
            return build(component, *given, options=use.options)

    def _weights_drawn(self, place: str) -> AbstractContextManager[None]:
        """Give every component a stream of its own: two of one architecture must not start alike."""
        return seeded(derive_seed(self._spec.seed, f"weights-{place}"))


@contextmanager
def _options_that_fit(place: str) -> Iterator[None]:
    try:
        yield
    except CgkitError:
        raise
    except ValueError as error:
        raise SpecError([Problem(place, str(error))]) from error


def _alone(component: Component, size: Size) -> Use:
    """Return the use of a component of which a spec says nothing."""
    options, _ = check_options(component, {}, suggested=recommended_options(component, size))
    return Use(name=component.name, **options)


def _stored_weight(module: nn.Module) -> torch.Tensor:
    """Return the parameter behind a weight that may be parametrised (spectral norm)."""
    if parametrize.is_parametrized(module, "weight"):
        original: torch.Tensor = module.parametrizations.weight.original  # type: ignore[union-attr, assignment]
        return original
    weight: torch.Tensor = module.weight  # type: ignore[assignment]
    return weight
