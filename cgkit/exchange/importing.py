"""Import weights from other programs into a model folder, as `cgkit import` does."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from cgkit.engine.assembly import build_generator
from cgkit.errors import CgkitError, CheckpointError, Problems, ResourceError, SpecError, UsageError
from cgkit.exchange.choosing import choose
from cgkit.exchange.foreign_files import read_foreign
from cgkit.exchange.recognition import Match, load_state, recognise
from cgkit.exchange.samples import read_sample
from cgkit.models.folder import write_model
from cgkit.models.info import ModelInfo
from cgkit.plugins import Plugins, load_plugins
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.providers import providers_used


@dataclass(frozen=True)
class Imported:
    """The result of an import.

    Attributes:
        folder: the model folder.
        found: for each direction, JSON values that describe the source file and the recognised generator, such as the
            generator's options and number of parameters.
    """

    folder: Path
    found: Mapping[str, Mapping[str, Any]]


def import_weights(
    files: Mapping[str, Path],
    output: Path,
    *,
    name: str | None = None,
    license: str | None = None,
    generator: str | None = None,
    key: str | None = None,
    options: Mapping[str, str] | None = None,
    sample: tuple[Path, Path] | None = None,
    plugins: Plugins | None = None,
) -> Imported:
    """Write weights as a model folder that `Translator.load` and `cgkit translate` accept, all or nothing.

    Args:
        files: the file of weights for each imported direction, `a2b`, `b2a` or both.
        output: the model folder to write; if it exists, it must be empty.
        name: the name of the model; by default derived from the name of the first file.
        license: the licence of the weights, for the model card.
        generator: the name of the generator that the weights belong to; by default all generators are tried.
        key: the prefix of the names of the tensors to import, if a file contains several networks.
        options: values of options that the tensors do not tell, such as `norm`; by default the published ones.
        sample: an image, and what the original program made of it; the network that reproduces it is imported.
        plugins: the loaded plugins; by default all installed plugins are loaded.

    Raises:
        CheckpointError: a file is damaged or refused, its tensors are not recognised or cannot be used, or the two
            files do not belong together, or no network reproduces the sample.
        SpecError: the name or the licence is invalid.
        UsageError: the folder is not empty, the choice of network or generator is ambiguous, `generator` or `key` does
            not exist, or the sample cannot be compared.
        ResourceError: the folder cannot be written.
    """
    plugins = plugins or load_plugins()
    matches = _match_all(files, output, plugins, options or {}, sample, generator=generator, key=key)
    spec = _make_spec(matches, name or _model_name(next(iter(files.values()))), license, plugins)
    generators = {
        way: load_state(build_generator(spec, plugins, way), match.recognised, what=f"{match.component} for {way}")
        for way, match in matches.items()
    }
    found = {way: _collect_facts(match, generators[way], files[way]) for way, match in matches.items()}
    info = ModelInfo(
        spec, 0, False, tuple(matches), tuple(_describe_source(way, facts) for way, facts in found.items())
    )
    _write(output, generators, info, providers_used(spec, plugins))
    return Imported(output, found)


def _match_all(
    files: Mapping[str, Path],
    output: Path,
    plugins: Plugins,
    options: Mapping[str, str],
    sample: tuple[Path, Path] | None,
    **chosen: str | None,
) -> dict[str, Match]:
    problems: list[CgkitError] = []  # all of them are raised at once
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        problems.append(UsageError(f"{output} exists and is not empty", hint="choose another --output"))
    if sample is not None and len(files) > 1:
        problems.append(UsageError("a sample is of one direction", hint="import one file at a time with --sample"))
    matches = {}
    for direction, file in files.items():
        try:
            match = recognise(read_foreign(file), plugins, **chosen)
            compared = None if sample is None or problems else read_sample(sample, match.recognised)
            matches[direction] = choose(match, options, compared)
        except CgkitError as error:
            place = "" if str(file) in error.message else f"{file}: "
            problems.append(type(error)(place + error.message, hint=error.hint))
    if problems:
        raise type(problems[0])(Problems.of(problems)) if len(problems) > 1 else problems[0]
    return matches


def _make_spec(matches: Mapping[str, Match], name: str, license: str | None, plugins: Plugins) -> Spec:
    """Return a resolved spec with the recognised generators and their numbers of channels."""
    channels = {}
    for direction, match in matches.items():
        pair = (match.recognised.in_channels, match.recognised.out_channels)
        channels[direction] = pair if direction == "a2b" else pair[::-1]
    a, b = next(iter(channels.values()))
    if len(set(channels.values())) > 1:
        both = " and ".join(f"{way} has a = {pair[0]}, b = {pair[1]}" for way, pair in channels.items())
        raise CheckpointError(f"the two files do not belong together, because their channels differ: {both}")
    registry = plugins.registries.generators
    uses = {
        way: {"name": registry.reference(match.component), **match.recognised.options} for way, match in matches.items()
    }
    values: dict[str, Any] = {
        "name": name,
        "data": {"channels": {"a": a, "b": b}},
        "generator": uses if len(uses) > 1 else next(iter(uses.values())),
        "objective": {"identity": 0.0 if a != b else 5.0},
        "train": {"precision": "fp32"},
        **({} if license is None else {"license": license}),
    }
    try:
        return resolve_spec(values, plugins)
    except SpecError as error:
        if any(problem.path in ("name", "license") for problem in error.problems):
            raise
        reasons = "; ".join(f"{problem.path} {problem.message}" for problem in error.problems)
        raise CheckpointError(f"the recognised network cannot be built: {reasons}") from error


def _collect_facts(match: Match, generator: nn.Module, file: Path) -> dict[str, Any]:
    recognised = match.recognised
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    remarks = list(recognised.remarks)
    if match.numbers > sum(tensor.numel() for tensor in recognised.state.values()):
        remarks.insert(0, f"the file has {match.numbers:,} values, some of which have no effect")
    if match.unused:
        remarks.append(f"other tensors of the file are not used: {', '.join(match.unused[:5])}")
    return {
        "file": os.fspath(file),
        "sha256": digest,
        "key": match.key,
        "generator": match.component.name,
        "options": dict(recognised.options),
        "channels": [recognised.in_channels, recognised.out_channels],
        "parameters": parameters,
        "numbers": match.numbers,
        "remarks": remarks,
    }


def describe(facts: Mapping[str, Any]) -> str:
    """Describe in one line the network found for one direction; `facts` is the entry in `Imported.found`."""
    values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in facts["options"].items()}
    options = ", ".join(f"{name} {value}" for name, value in values.items())
    channels = " to ".join(map(str, facts["channels"]))
    network = f"{facts['generator']} ({options}), {channels} channels, {facts['parameters']:,} parameters"
    return "; ".join([network, *facts["remarks"]])


def _describe_source(direction: str, facts: Mapping[str, Any]) -> str:
    return f"{direction} from {Path(facts['file']).name} (sha256 {facts['sha256'][:16]}): {describe(facts)}"


def _model_name(file: Path) -> str:
    return re.sub(r"[^\w. -]", "-", file.stem).lstrip(".- ")[:100] or "imported"


def _write(output: Path, generators: Mapping[str, nn.Module], info: ModelInfo, providers: Mapping[str, str]) -> None:
    temporary = output.with_name(f".tmp-{os.getpid()}-{output.name}"[:255])
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_model(temporary, generators, info, providers)
        temporary.replace(output)  # this also replaces an existing empty folder
    except OSError as error:
        raise ResourceError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            shutil.rmtree(temporary)
