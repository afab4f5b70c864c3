"""The description of a component: options, documentation, and measurements of networks."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from cgkit.abilities import stride_of
from cgkit.contracts import KINDS, Kind
from cgkit.data.randomness import seeded
from cgkit.describe.receptive_field import receptive_field
from cgkit.describe.type_names import bounds, type_name
from cgkit.options import REQUIRED, Option, build, options_of
from cgkit.plugins import Plugins
from cgkit.registry import BUILT_IN, Component
from cgkit.spec.model import ARRAYS

CHANNELS = 3
SIZE = 256
"""Number of channels of the test images for measuring networks, and their minimum height and width in pixels."""

_TABLES = {"source": "[data]", "reconstruction_loss": "[cycle_loss]"}


@dataclass(frozen=True)
class OptionDescription:
    """One option: its type and bounds in words, its default as a JSON value, and its meaning."""

    name: str
    type: str
    bounds: str
    required: bool
    default: Any
    meaning: str


@dataclass(frozen=True)
class NetworkFacts:
    """Measurements of a network with its default options, for images of 3 channels.

    Attributes:
        parameters: the number of trained parameters.
        stride: for a generator, the number that the height and width of its images must be multiples of; for a
            discriminator, the distance between neighbouring logits in pixels of the image (None if unknown).
        receptive_field: the side of the area on which an output value depends, in pixels, ignoring norms; None if the
            area extends to the border of the test image.
        measured_on: height and width of the test image in pixels.
    """

    parameters: int
    stride: int | None
    receptive_field: int | None
    measured_on: int


@dataclass(frozen=True)
class Description:
    """The description of a component.

    Attributes:
        kind: the name of the component's registry.
        name: the component's name in a spec.
        provider: the package that provides the component, or the file name of a plugin in a single file.
        version: the version of the package.
        summary: one sentence on what the component is.
        documentation: the component's docstring without the section on options.
        source: the location of the component's code: `module:attribute`, and the file.
        options: the component's options, which are its keyword-only parameters.
        snippet: an example of its use: a table to paste into a spec, or a command for an exporter.
        network: measurements of a generator or discriminator; None if an option has no default.
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
    """Describe a component; if it is a network whose options all have defaults, build and measure it.

    Raises:
        PluginError: the component cannot be imported or built, or its signature does not follow the contract.
    """
    options = options_of(component)
    write_use = _write_snippet if component.kind.in_spec else _write_command
    descriptions = tuple(_describe_option(option) for option in options.values())
    return Description(
        kind=component.kind.name,
        name=component.name,
        provider=component.provider,
        version=plugins.version_of(component.provider),
        summary=component.summary,
        documentation=_read_documentation(component),
        source=_locate_source(component),
        options=descriptions,
        snippet=write_use(component, descriptions, plugins),
        network=_measure_network(component, options),
    )


def _describe_option(option: Option) -> OptionDescription:
    required = option.default is REQUIRED
    return OptionDescription(
        option.name,
        type_name(option.annotation),
        bounds(option.annotation),
        required,
        option.default_json,
        option.meaning,
    )


def _read_documentation(component: Component) -> str:
    text = inspect.cleandoc(component.definition.__doc__ or component.summary)
    return text.partition("\nArgs:")[0].strip()


def _locate_source(component: Component) -> str:
    target = component.definition
    try:
        file = inspect.getsourcefile(target) or "no file"
    except (OSError, TypeError):
        file = "no file"
    return f"{target.__module__}:{getattr(target, '__qualname__', component.name)} in {file}"


def _write_snippet(component: Component, options: Iterable[OptionDescription], plugins: Plugins) -> str:
    """Return a table for a spec that sets every option to its default."""
    lines = []
    if component.provider != BUILT_IN and not component.provider.endswith(".py"):
        lines += [f'requires = ["{component.provider}"]', ""]
    lines.append(_format_heading(component.kind))
    key = "source" if component.kind.table == "source" else "name"
    lines.append(f"{key} = {_to_toml(plugins.registries[component.kind.name].reference(component))}")
    if component.kind.name == "terms":
        lines.append("weight = { a2b = 1.0, b2a = 1.0 }")
    for option in options:
        if option.required:
            lines.append(f"{option.name} = {_to_toml(_choose_placeholder(option))}  # required")
        elif option.default is None:
            lines.append(f"# {option.name} =")
        else:
            lines.append(f"{option.name} = {_to_toml(option.default)}")
    return "\n".join(lines) + "\n"


def _write_command(component: Component, options: Iterable[OptionDescription], plugins: Plugins) -> str:
    """Return a command that uses an exporter with every option at its default."""
    name = plugins.registries[component.kind.name].reference(component)
    suffix = getattr(component.load(), "suffix", "")
    command = f"cgkit export RUN --format {name} --output FILE{suffix}"
    return " ".join([command, *(f"--option {option.name}={_to_value(option)}" for option in options)]) + "\n"


def _to_value(option: OptionDescription) -> str:
    return json.dumps(_choose_placeholder(option) if option.required else option.default)


def _format_heading(kind: Kind) -> str:
    return f"[[{kind.table}]]" if kind.table in ARRAYS else _TABLES.get(kind.table, f"[{kind.table}]")


def _choose_placeholder(option: OptionDescription) -> Any:
    if option.type in {kind.table.replace("_", " ") for kind in KINDS}:
        return {"name": "..."}
    return {"int": 0, "float": 0.0, "bool": False}.get(option.type, "...")


def _to_toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_to_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_to_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value)


def _measure_network(component: Component, options: Mapping[str, Option]) -> NetworkFacts | None:
    given = {"generators": (CHANNELS, CHANNELS), "discriminators": (CHANNELS,)}.get(component.kind.name)
    if given is None or any(option.default is REQUIRED for option in options.values()):
        return None
    defaults = {name: option.default_json for name, option in options.items()}
    with seeded(0):
        network: nn.Module = build(component, *given, options=defaults)
    parameters = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    stride = stride_of(network)
    size = math.ceil(SIZE / stride) * stride
    for parameter in network.parameters():
        if not parameter.any():  # a learned factor of zero would hide the branch that it multiplies
            parameter.data.fill_(1)
    field = receptive_field(network.eval().requires_grad_(False), CHANNELS, size)
    return NetworkFacts(parameters, stride if len(given) == 2 else field.apart, field.across, size)
