"""Everything that there is to know about a component before one uses it."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from cgkit.contracts import Kind
from cgkit.data.randomness import seeded
from cgkit.describe.receptive_field import receptive_field
from cgkit.describe.type_names import bounds, type_name
from cgkit.options import REQUIRED, Option, build, options_of
from cgkit.plugins import Plugins
from cgkit.registry import BUILT_IN, Component

CHANNELS = 3
SIZE = 256
"""The channels and pixels that networks are measured with."""

_TABLES = {"source": "[data]", "reconstruction_loss": "[cycle_loss]"}
_ARRAYS = ("augmentation", "metric", "tracker")


@dataclass(frozen=True)
class OptionDescription:
    """One option: its type and bounds in words, its default as a JSON value, and what it means."""

    name: str
    type: str
    bounds: str
    required: bool
    default: Any
    meaning: str


@dataclass(frozen=True)
class NetworkFacts:
    """What is measured on a network with its default options, for images of 3 channels.

    Attributes:
        parameters: how many numbers are trained.
        stride: of a generator, what height and width of its images are multiples of; of a discriminator, how many
            pixels its neighbouring logits are apart (None where that cannot be told).
        receptive_field: how many pixels across an output value depends on, norms left out; None for `measured_on` or
            more.
        measured_on: height and width of the image that it was measured with.
    """

    parameters: int
    stride: int | None
    receptive_field: int | None
    measured_on: int


@dataclass(frozen=True)
class Description:
    """A component, described.

    Attributes:
        kind: the registry that it is in.
        name: what a spec calls it.
        provider: the distribution that brought it.
        version: that distribution's version.
        summary: one sentence.
        documentation: its docstring without the part about options.
        source: where its code is: `module:attribute`, and the file.
        options: its keyword-only parameters.
        snippet: what to paste into a spec.
        network: of generators and discriminators, where they can be built without options.
    """

    kind: str
    name: str
    provider: str
    version: str
    summary: str
    documentation: str
    source: str
    options: tuple[OptionDescription, ...]
    snippet: str
    network: NetworkFacts | None


def describe(component: Component, plugins: Plugins) -> Description:
    """Describe a component; networks are built and measured.

    Raises:
        PluginError: it cannot be imported or built, or its signature does not follow the contract.
    """
    options = options_of(component)
    described = tuple(_option(option) for option in options.values())
    return Description(
        kind=component.kind.name,
        name=component.name,
        provider=component.provider,
        version=plugins.version_of(component.provider),
        summary=component.summary,
        documentation=_documentation(component),
        source=_source(component),
        options=described,
        snippet=_snippet(component, described, plugins),
        network=_network_facts(component, options),
    )


def _option(option: Option) -> OptionDescription:
    required = option.default is REQUIRED
    default = None if required else json.loads(json.dumps(option.default, default=str))
    return OptionDescription(
        option.name, type_name(option.annotation), bounds(option.annotation), required, default, option.meaning
    )


def _documentation(component: Component) -> str:
    text = inspect.cleandoc(component.load().__doc__ or component.summary)
    return text.partition("\nArgs:")[0].strip()


def _source(component: Component) -> str:
    target = component.load()
    try:
        file = inspect.getsourcefile(target) or "no file"
    except (OSError, TypeError):
        file = "no file"
    return f"{target.__module__}:{getattr(target, '__qualname__', component.name)} in {file}"


def _snippet(component: Component, options: Iterable[OptionDescription], plugins: Plugins) -> str:
    """Return a table for a spec in which every option stands with its default."""
    lines = []
    if component.provider != BUILT_IN and not component.provider.endswith(".py"):
        lines += [f'requires = ["{component.provider}"]', ""]
    lines.append(_heading(component.kind))
    key = "source" if component.kind.table == "source" else "name"
    lines.append(f"{key} = {_toml(plugins.registries[component.kind.name].reference(component))}")
    for option in options:
        if option.required:
            lines.append(f"{option.name} = {_toml(_placeholder(option))}  # required")
        elif option.default is None:
            lines.append(f"# {option.name} =")
        else:
            lines.append(f"{option.name} = {_toml(option.default)}")
    return "\n".join(lines) + "\n"


def _heading(kind: Kind) -> str:
    return f"[[{kind.table}]]" if kind.table in _ARRAYS else _TABLES.get(kind.table, f"[{kind.table}]")


def _placeholder(option: OptionDescription) -> Any:
    return {"int": 0, "float": 0.0, "bool": False}.get(option.type, "...")


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)


def _network_facts(component: Component, options: Mapping[str, Option]) -> NetworkFacts | None:
    given = {"generators": (CHANNELS, CHANNELS), "discriminators": (CHANNELS,)}.get(component.kind.name)
    if given is None or any(option.default is REQUIRED for option in options.values()):
        return None
    defaults = {name: json.loads(json.dumps(option.default, default=_as_text)) for name, option in options.items()}
    with seeded(0):
        network: nn.Module = build(component, *given, options=defaults)
    parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    stride = int(getattr(network, "stride", 1))
    size = math.ceil(SIZE / stride) * stride
    for parameter in network.parameters():
        if not parameter.any():  # such as the factor of a branch that is to be learned, which would hide it
            parameter.data.fill_(1)
    field = receptive_field(network.eval().requires_grad_(False), CHANNELS, size)
    return NetworkFacts(parameters, stride if len(given) == 2 else field.apart, field.across, size)


def _as_text(value: Any) -> str:
    return str(value) if isinstance(value, Path) else repr(value)
