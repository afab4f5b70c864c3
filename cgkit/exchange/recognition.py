"""What the tensors of a file are: every generator is asked whether it knows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from cgkit.contracts import Recognised
from cgkit.errors import CheckpointError, UsageError, did_you_mean
from cgkit.plugins import Plugins
from cgkit.registry import Component, describe_exception

_DEEPEST = 6
"""How many tables a network may lie in: `checkpoint["state_dict"]["netG"]` are two."""


@dataclass(frozen=True)
class Found:
    """A network in a file.

    Attributes:
        key: what the names of its tensors begin with; empty where the file holds nothing else.
        component: the generator that knows it.
        recognised: what that says of it.
        numbers: how many numbers its tensors have.
    """

    key: str
    component: Component
    recognised: Recognised
    numbers: int


def recognise(
    tensors: Mapping[str, Tensor], plugins: Plugins, *, generator: str | None = None, key: str | None = None
) -> Found:
    """Return the network that tensors are, in whatever tables it lies (`module.`, `state_dict.` ...).

    Args:
        tensors: those of a file, by name.
        plugins: the loaded plugins, whose generators are asked.
        generator: the only one to ask.
        key: what the names of the network's tensors begin with, where the file holds several.

    Raises:
        CheckpointError: no generator knows the tensors, or they cannot be used.
        UsageError: there are several networks, or several generators know one; or there is no such generator or key.
    """
    asked = _generators(plugins, generator)
    if key is not None:
        part = _within(tensors, key)
        if not part:
            hint = did_you_mean(key, {name.partition(".")[0] for name in tensors})
            raise UsageError(f"no tensor's name begins with {key}.", hint=hint)
        tensors = part
    reasons: list[str] = []
    for parts in _levels(tensors):
        found = [one for place, part in parts.items() for one in _known(place, part, asked, reasons)]
        if len(found) == 1:
            return found[0]
        if found:
            raise _ambiguous(found)
    examples = ", ".join(list(tensors)[:3])
    known = "; ".join(dict.fromkeys(reasons)) or "no generator knows it"
    raise CheckpointError(f"the network of {examples} ... cannot be used: {known}")


def _generators(plugins: Plugins, name: str | None) -> list[Component]:
    registry = plugins.registries.generators
    return [registry[name]] if name is not None else list(registry)


def _levels(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, dict[str, Tensor]]]:
    """Yield the whole, then what lies in each table of it, then what lies in each table of those, and so on."""
    level = {"": dict(tensors)}
    for _ in range(_DEEPEST):
        yield level
        tables: dict[str, dict[str, Tensor]] = {}
        for place, part in level.items():
            for name, tensor in part.items():
                table, dot, rest = name.partition(".")
                if dot:
                    tables.setdefault(f"{place}.{table}".lstrip("."), {})[rest] = tensor
        level = tables


def _within(tensors: Mapping[str, Tensor], key: str) -> dict[str, Tensor]:
    start = f"{key}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _known(key: str, tensors: Mapping[str, Tensor], asked: list[Component], reasons: list[str]) -> Iterator[Found]:
    """Yield what each generator that knows the tensors says of them; add why others cannot use them."""
    for component in asked:
        try:
            recognised = getattr(component.load(), "recognise", lambda tensors: None)(tensors)
        except ValueError as error:
            reasons.append(str(error))
        except Exception as error:  # noqa: BLE001 - a stranger's generator may raise anything; others may know them
            reasons.append(f"{component} failed: {describe_exception(error)}")
        else:
            if isinstance(recognised, Recognised):
                yield Found(key, component, recognised, sum(tensor.numel() for tensor in tensors.values()))


def _ambiguous(found: list[Found]) -> UsageError:
    keys = list(dict.fromkeys(one.key for one in found))
    if len(keys) > 1:
        return UsageError(f"there are several networks: {', '.join(keys)}", hint="choose one with --key")
    names = ", ".join(one.component.qualified_name for one in found)
    return UsageError(f"several generators know these weights: {names}", hint="choose one with --generator")
