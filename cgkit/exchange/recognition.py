"""Find the network that the tensors of a file belong to, by asking every generator whether it recognises them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from cgkit.abilities import recogniser_of
from cgkit.checkpoints import load_strictly
from cgkit.contracts import Recognised
from cgkit.errors import CheckpointError, UsageError, did_you_mean
from cgkit.plugins import Plugins
from cgkit.registry import Component, describe_exception

_MAX_DEPTH = 6
"""Number of nested dictionary levels to search; `checkpoint["state_dict"]["netG"]` is on the third level."""


@dataclass(frozen=True)
class Match:
    """A network in a file, recognised by a generator.

    Attributes:
        key: the prefix of the network's tensor names in the file; empty if there is none.
        component: the generator that recognised the network.
        recognised: the options and state of the generator, and the channels of its images.
        numbers: the total number of elements in the network's tensors.
        unused: the beginnings of the names of the file's other tensors.
    """

    key: str
    component: Component
    recognised: Recognised
    numbers: int
    unused: tuple[str, ...] = ()


def recognise(
    tensors: Mapping[str, Tensor], plugins: Plugins, *, generator: str | None = None, key: str | None = None
) -> Match:
    """Return the network that the tensors of a file belong to.

    The tensor names may have any common prefix, such as `module.` or `state_dict.`.

    Args:
        tensors: the tensors of the file by name.
        plugins: the loaded plugins, whose generators are asked.
        generator: the name of the only generator to ask; by default all are asked.
        key: the prefix of the tensor names, without the dot, if the file contains several networks.

    Raises:
        CheckpointError: no generator recognises the tensors, or the one that does cannot use them.
        UsageError: several networks or several generators match, or `generator` or `key` does not exist.
    """
    registry = plugins.registries.generators
    generators = list(registry) if generator is None else [registry[generator]]
    if key is not None:
        prefix = f"{key}."
        selected = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if not selected:
            hint = did_you_mean(key, {name.partition(".")[0] for name in tensors})
            raise UsageError(f"no tensor name begins with {prefix}", hint=hint)
        tensors = selected
    reasons: list[str] = []
    for level in _levels(tensors):
        matches = [match for part, inner in level.items() for match in _match(part, inner, generators, reasons)]
        if len(matches) == 1:
            own = f"{matches[0].key}." if matches[0].key else ""
            unused = dict.fromkeys(re.split(r"\.\d", name)[0] for name in tensors if not name.startswith(own))
            return replace(matches[0], unused=tuple(unused))
        if matches:
            raise _ambiguity_error(matches)
    examples = ", ".join(list(tensors)[:3])
    reason = "; ".join(dict.fromkeys(reasons)) or "no generator recognises it"
    raise CheckpointError(
        f"the network with the tensors {examples} ... cannot be used: {reason}",
        hint=None if reasons else "`cgkit list-components --kind generator` lists the generators",
    )


def load_state(generator: nn.Module, recognised: Recognised, *, what: str) -> nn.Module:
    """Load recognised tensors, converted to its dtypes, into a generator, or raise `CheckpointError`."""
    own = generator.state_dict()
    state = {name: tensor.to(own[name].dtype) if name in own else tensor for name, tensor in recognised.state.items()}
    load_strictly(generator, state, what=what)
    return generator.eval()


def _levels(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, dict[str, Tensor]]]:
    """Yield all tensors under the empty key, then groups by the first part of the name, by the first two, and so on."""
    level = {"": dict(tensors)}
    for _ in range(_MAX_DEPTH):
        yield level
        groups: dict[str, dict[str, Tensor]] = {}
        for key, group in level.items():
            for name, tensor in group.items():
                part, dot, rest = name.partition(".")
                if dot:
                    groups.setdefault(f"{key}.{part}".lstrip("."), {})[rest] = tensor
        level = groups


def _match(key: str, tensors: Mapping[str, Tensor], generators: list[Component], reasons: list[str]) -> Iterator[Match]:
    """Yield a match for each generator that recognises the tensors; append other generators' errors to `reasons`."""
    for component in generators:
        try:
            recognise = recogniser_of(component.definition)
            recognised = None if recognise is None else recognise(tensors)
        except ValueError as error:
            reasons.append(str(error))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; other generators may still match
            reasons.append(f"{component} failed: {describe_exception(error)}")
        else:
            if isinstance(recognised, Recognised):
                yield Match(key, component, recognised, sum(tensor.numel() for tensor in tensors.values()))


def _ambiguity_error(matches: list[Match]) -> UsageError:
    keys = list(dict.fromkeys(match.key for match in matches))
    if len(keys) > 1:
        return UsageError(f"the file contains several networks: {', '.join(keys)}", hint="choose one with --key")
    names = ", ".join(match.component.qualified_name for match in matches)
    return UsageError(f"several generators recognise these weights: {names}", hint="choose one with --generator")
