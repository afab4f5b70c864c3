"""Choose among the networks that the tensors of a file fit, which they cannot tell apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from cgkit.contracts import Recognised
from cgkit.errors import CheckpointError, UsageError
from cgkit.exchange.recognition import Match
from cgkit.exchange.samples import Sample, difference


def choose(match: Match, given: Mapping[str, str], sample: Sample | None = None) -> Match:
    """Return a match with the one network that has the given options and reproduces the sample, and with remarks.

    Raises:
        UsageError: no network has the given options, the user must choose, or the sample does not decide.
        CheckpointError: no network reproduces the sample.
    """
    found = match.recognised
    networks = _with_options(match, given)
    remarks = [f"{name} {value} was given" for name, value in given.items()]
    open_options = [name for name in found.options if len(_values(networks, name)) > 1 and name != "affine"]
    chosen = networks[0]
    if sample is not None:
        chosen, remark = _reproducing(match, networks, open_options, sample)
        remarks.append(remark)
    elif asked := [name for name in open_options if name in found.undecided]:
        options = " and ".join(" or ".join(f"--{name} {value}" for value in _values(networks, name)) for name in asked)
        raise UsageError(
            f"the tensors do not tell the network's {' and '.join(asked)}",
            hint=f"say {options}, or give --sample INPUT OUTPUT: an image and what the original program made of it",
        )
    elif open_options:
        others = " and ".join(f"--{name} {' or '.join(_values(networks, name)[1:])}" for name in open_options)
        remarks.append(f"{_name(chosen, open_options)} assumed, as published: the tensors also fit {others}")
    return replace(match, recognised=replace(chosen, remarks=(*chosen.remarks, *remarks)))


def _with_options(match: Match, given: Mapping[str, str]) -> list[Recognised]:
    """Return the networks that have the given options."""
    networks = [match.recognised, *match.recognised.alternatives]
    for name, value in given.items():
        values = _values(networks, name)
        networks = [network for network in networks if network.options.get(name) == value]
        if not networks:
            fitting = f"they fit {' and '.join(values)}" if values else f"{match.component.name} has no {name}"
            raise UsageError(f"the tensors do not fit --{name} {value}", hint=fitting)
    return networks


def _reproducing(
    match: Match, networks: Sequence[Recognised], names: Sequence[str], sample: Sample
) -> tuple[Recognised, str]:
    """Return the network that reproduces a sample, and a remark on the differences."""
    measured = [(difference(network, match.component, sample), network) for network in networks]
    (least, best), *others = sorted(measured, key=lambda pair: pair[0])
    levels = "; ".join(f"{levels:.3g} {_name(network, names)}".strip() for levels, network in [(least, best), *others])
    if not least <= sample.limit:
        raise CheckpointError(
            f"no network that fits the tensors reproduces {sample.files[1]} from {sample.files[0]}: mean differences,"
            f" in levels of 255: {levels}; the limit is {sample.limit:g}",
            hint="give images as the network saw and returned them, not resized; else cgkit does not have this network",
        )
    if others and others[0][0] <= 1.05 * least + 1e-4:
        raise UsageError(
            f"the sample does not decide: mean differences, in levels of 255: {levels}", hint="give another"
        )
    return best, f"reproduces {sample.files[1].name}: mean differences, in levels of 255: {levels}"


def _values(networks: Sequence[Recognised], name: str) -> list[str]:
    """Return the different values of an option."""
    return list(dict.fromkeys(str(network.options[name]) for network in networks if name in network.options))


def _name(network: Recognised, options: Sequence[str]) -> str:
    return ", ".join(f"{name} {network.options[name]}" for name in options)
