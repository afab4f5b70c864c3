"""Turn the names in a resolved spec into components, each built with its own random numbers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, get_args

import torch
from torch import nn

from cgkit.abilities import initialiser_of, needs_of, preparer_of, role_of
from cgkit.contracts import AdversarialLoss, Compared, Need, Role, Schedule, Size, Source
from cgkit.data.file_formats import load_formats
from cgkit.data.randomness import derive_seed, seeded
from cgkit.engine.assembly.initialisation import initialise
from cgkit.engine.assembly.weight_limit import WeightLimit
from cgkit.engine.cyclegan import CycleGAN
from cgkit.engine.objective import DirectedTerm, logits_of
from cgkit.engine.objective.terms import GENERATED
from cgkit.engine.optimizers import Build
from cgkit.errors import CgkitError, PluginError, Problem, SpecError, is_out_of_memory
from cgkit.evaluation.scoring import Measured
from cgkit.images.formats import Formats
from cgkit.options import (
    REQUIRED,
    build,
    check_options,
    nested_uses,
    options_of,
    paths_among,
    recommended_options,
    wrong_paths_explained,
)
from cgkit.plugins import Plugins
from cgkit.registry import Component, describe_exception
from cgkit.spec import Spec, Use
from cgkit.spec.model import TermUse


class Builder:
    """Builds the components of a resolved spec; `components` has those built so far, by their place in the spec."""

    def __init__(self, spec: Spec, plugins: Plugins, *, fresh: bool = False, memory: int | None = None) -> None:
        self._spec = spec
        self._fresh = fresh
        self._weights = WeightLimit(memory)
        self._registries = plugins.registries
        self._plugins = plugins
        self.components: dict[str, Component] = {}

    @property
    def size(self) -> Size:
        """The height and width of training images."""
        return self._spec.data.size

    @cached_property
    def formats(self) -> Formats:
        """The formats in which image files may be."""
        return load_formats(self._plugins, self._spec.format or ())

    def model(self) -> CycleGAN:
        """Return the four networks with their initial weights."""
        return CycleGAN(
            self.generator("a2b"), self.generator("b2a"), self._discriminator("a"), self._discriminator("b")
        )

    def generator(self, direction: str) -> nn.Module:
        """Return the generator of a direction with its initial weights."""
        channels = self._spec.data.channels
        given = channels if direction == "a2b" else channels[::-1]
        use = self._spec.generator.a2b if direction == "a2b" else self._spec.generator.b2a
        place = f"generator.{direction}"
        self._refuse_required_paths(place, use or Use())
        return self._network("generators", place, use or Use(), *given)

    def _discriminator(self, domain: str) -> nn.Module:
        table = self._spec.discriminator
        use, channels = (
            (table.a, self._spec.data.channels[0]) if domain == "a" else (table.b, self._spec.data.channels[1])
        )
        return self._network("discriminators", f"discriminator.{domain}", use or Use(), channels)

    def source(self) -> Source:
        """Return the source of images."""
        data = self._spec.data
        with self.formats.listed():
            source: Source = self.component("sources", "data", Use(name=data.source, **data.options), data.size)
        return source

    def metrics(self, source: Source, *, fallbacks: bool = True) -> tuple[Measured, ...]:
        """Return the spec's metrics; if none of these applies to the images, add the fallback metrics."""
        uses, data = self._spec.metric or (), self._spec.data
        metrics = [self._metric(f"metric.{number}", use) for number, use in enumerate(uses)]
        if fallbacks and uses and not any(m.applies(source, data.channels) for m in metrics):
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

    def optimizer(self, name: str) -> Build:
        """Return a function that builds the optimiser of the `generators` or the `discriminators`."""
        place, use = f"optimizer.{name}", getattr(self._spec.optimizer, name) or Use()
        self._remember("optimizers", place, use)

        def build_optimizer(parameters: Sequence[nn.Parameter], learning_rate: float) -> torch.optim.Optimizer:
            optimizer = self._build("optimizers", place, use, parameters, learning_rate)
            if not isinstance(optimizer, torch.optim.Optimizer):
                raise PluginError(f'{place} "{use.name}" is a {type(optimizer).__name__}, not a torch.optim.Optimizer')
            return optimizer

        return build_optimizer

    def schedule(self, name: str) -> Schedule:
        """Return the schedule of the `generators` or the `discriminators`."""
        use = getattr(self._spec.schedule, name) or Use()
        schedule: Schedule = self.component("schedules", f"schedule.{name}", use)
        return schedule

    def adversarial_losses(self, model: CycleGAN, domain: str) -> list[AdversarialLoss]:
        """Return the loss of a domain; if it has state, one for each scale, so that no state mixes scales."""
        use = self._spec.adversarial_loss
        losses = [self.component("adversarial_losses", "adversarial_loss", use, seed=f"adversarial_loss.{domain}")]
        if isinstance(losses[0], nn.Module) and losses[0].state_dict():
            channels = self._spec.data.channels["ab".index(domain)]
            image = torch.zeros(1, channels, *self._spec.data.size)
            scales = len(logits_of(_copy(model.discriminators[domain]), image, real=True, learning=False))
            losses += [
                self.component("adversarial_losses", "adversarial_loss", use, seed=f"adversarial_loss.{domain}.{scale}")
                for scale in range(1, scales)
            ]
        return losses

    def terms(self, model: CycleGAN) -> list[DirectedTerm]:
        """Return the terms of each direction whose weight is not 0."""
        terms: list[DirectedTerm] = []
        for number, use in enumerate(self._spec.term):
            name = str(use.name).rpartition("/")[2]
            namesakes = sum(str(other.name).rpartition("/")[2] == name for other in self._spec.term[:number])
            label = f"{name}-{namesakes + 1}" if namesakes else name
            for direction, weight in use.weight.model_dump().items():
                if weight:
                    module = self._term(number, use, direction, model)
                    terms.append(DirectedTerm(f"{label}_{direction}", direction, weight, module, number))
        return terms

    def _term(self, number: int, use: TermUse, direction: str, model: CycleGAN) -> nn.Module:
        place = f"term.{number}"
        term = self.component("terms", place, use, seed=f"{place}.{direction}")
        if not isinstance(term, nn.Module):
            raise PluginError(f'{place} "{use.name}" is a {type(term).__name__}, not an nn.Module')
        needs = needs_of(term)
        if not set(needs) & set(GENERATED) or not set(needs) <= set(get_args(Need)):
            raise PluginError(f'{place} "{use.name}" needs {needs!r}; one must be {", ".join(GENERATED)}')
        if "identity" in needs and len(set(self._spec.data.channels)) > 1:
            raise SpecError([Problem(place, f'"{use.name}" needs equal channels in both domains')])
        prepare = preparer_of(term)
        if prepare is not None:
            channels = self._spec.data.channels[direction == "b2a"]
            example = torch.zeros(1, channels, *self._spec.data.size)
            with self._seed_weights(f"{place}.{direction}.prepare"), torch.no_grad():
                self._call(place, use, "prepared", lambda: prepare(_copy(model.generators[direction]), example))
        return term

    def augmentations(self) -> dict[str, Augmentations]:
        """Return the augmentations of each domain."""
        of_domain = {"a": Augmentations(), "b": Augmentations()}
        for number, use in enumerate(self._spec.augmentation or ()):
            place = f"augmentation.{number}"
            shared = self.component("augmentations", place, use)
            for domain in use.domain or "ab":
                # Each discriminator has its own instance, because an augmentation may adapt to its discriminator.
                is_second = role_of(shared) == "adversarial" and domain == "b" and use.domain is None
                own = self.component("augmentations", place, use) if is_second else shared
                of_domain[domain].add(place, str(use.name), own)
                if role_of(own) == "framing":
                    of_domain[domain].framed_as = self._describe(place, use)
        return of_domain

    def _describe(self, place: str, use: Use) -> str:
        """Return the name of a component and those of its options that are not at their defaults."""
        defaults = {name: option.default for name, option in options_of(self.components[place]).items()}
        changed = {name: value for name, value in use.options.items() if value != defaults[name]}
        return f"{use.name} {json.dumps(changed, sort_keys=True, default=str)}" if changed else str(use.name)

    def component(self, kind: str, place: str, use: Use, *given: Any, seed: str | None = None) -> Any:
        """Build a component; `seed` names its random numbers, by default `place`."""
        with self._seed_weights(seed or place):
            built = self._build(kind, place, use, *given)
            if isinstance(built, nn.Module):
                self._initialise(place, use, built)
            return built

    def _network(self, kind: str, place: str, use: Use, *given: Any) -> nn.Module:
        with self._seed_weights(place), self._weights.applied(place):
            network = self._build(kind, place, use, *given)
            if not isinstance(network, nn.Module):
                raise PluginError(f'{place} "{use.name}" is a {type(network).__name__}, not an nn.Module')
            initialise(network, self._spec.train.initialisation)
            self._initialise(place, use, network)
        return network

    def _build(self, kind: str, place: str, use: Use, *given: Any) -> Any:
        component = self._remember(kind, place, use)
        with _locate_option_errors(place):
            return build(component, *given, options=use.options)

    def _refuse_required_paths(self, place: str, use: Use) -> None:
        """Refuse a generator that cannot be built without a file, because a model does not keep paths."""
        component = self._remember("generators", place, use)
        for option in options_of(component).values():
            if option.is_path and option.default is REQUIRED:
                raise PluginError(
                    f"{component}: the path {option.name} has no default, so its models could not be used",
                    hint="give it the default None; a model for translating has all weights itself",
                )

    def _initialise(self, place: str, use: Use, module: nn.Module) -> None:
        """Let a component of a new run read its first weights."""
        initialise_itself = initialiser_of(module)
        if self._fresh and initialise_itself is not None:
            self._call(place, use, "initialised", initialise_itself)

    def _call(self, place: str, use: Use, done: str, method: Callable[[], object]) -> None:
        """Call a method of a component; name the component if it fails."""
        component = self.components[place]
        try:
            with _locate_option_errors(place), wrong_paths_explained(component, use.options):
                method()
        except (CgkitError, MemoryError):
            raise
        except Exception as error:  # a plugin's component may raise any exception
            if is_out_of_memory(error):
                raise
            raise PluginError(f"{component} cannot be {done}: {describe_exception(error)}") from error

    def _remember(self, kind: str, place: str, use: Use) -> Component:
        component = self._registries[kind][use.name or ""]
        self.components[place] = component
        for option, nested, _ in nested_uses(component, use.options):
            self.components[f"{place}.{option}"] = nested
        return component

    def _seed_weights(self, place: str) -> AbstractContextManager[None]:
        """Seed each component differently: networks of equal architecture must not start with equal weights."""
        return seeded(derive_seed(self._spec.seed, f"weights-{place}"))


@dataclass
class Augmentations:
    """The augmentations of one domain by role."""

    framing: nn.Module | None = None
    framed_as: str = ""
    data: list[nn.Module] = field(default_factory=list)
    adversarial: list[nn.Module] = field(default_factory=list)

    def add(self, place: str, name: str, augmentation: nn.Module) -> None:
        """Add an augmentation after the others of its role."""
        role = role_of(augmentation)
        if role == "framing" and self.framing is not None:
            raise SpecError([Problem(place, f'"{name}" is a second framing augmentation; keep only one')])
        if role == "framing":
            self.framing = augmentation
        elif role in ("data", "adversarial"):
            (self.data if role == "data" else self.adversarial).append(augmentation)
        else:
            raise PluginError(f'augmentation "{name}" has role {role!r}, not one of {", ".join(get_args(Role))}')


def _copy(network: nn.Module) -> nn.Module:
    """Return a copy of a network for trying it out, in evaluation mode, because calls may change its buffers."""
    return copy.deepcopy(network).eval()


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
