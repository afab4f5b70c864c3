"""Weights from elsewhere as a model folder: what `cgkit import` does."""

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

from cgkit.checkpoints import load_strictly
from cgkit.engine.assembly import build_generator
from cgkit.errors import CheckpointError, ResourceError, SpecError, UsageError
from cgkit.exchange.foreign_files import read_foreign
from cgkit.exchange.recognition import Found, recognise
from cgkit.models.folder import write_model
from cgkit.models.info import ModelInfo
from cgkit.plugins import Plugins, load_plugins
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.providers import providers_used


@dataclass(frozen=True)
class Imported:
    """What came of an import.

    Attributes:
        folder: the model folder.
        found: by direction, the generator, its options and parameters, and the file that it was in, as JSON values.
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
    plugins: Plugins | None = None,
) -> Imported:
    """Write the weights of files as a model folder, all or nothing; `Translator.load` and `cgkit translate` take it.

    Args:
        files: a file of weights for each direction, or for one.
        output: the folder, which must not exist or be empty.
        name: what the model is called; by default as the first file is.
        license: the licence of the weights, for the model card.
        generator: the generator that the weights are of; by default every one is asked.
        key: what the names of the tensors begin with, where a file holds several networks.
        plugins: the loaded plugins; by default all that are installed.

    Raises:
        CheckpointError: a file is damaged or refused, or no generator knows what is in it; nothing was written.
        UsageError: the folder holds something, or a choice has to be made.
        ResourceError: the folder cannot be written.
    """
    plugins = plugins or load_plugins()
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UsageError(f"{output} holds something already", hint="choose another --output")
    found = {}
    for direction, file in files.items():
        tensors = read_foreign(file)
        try:
            found[direction] = recognise(tensors, plugins, generator=generator, key=key)
        except (CheckpointError, UsageError) as error:
            raise type(error)(f"{file}: {error.message}", hint=error.hint) from error
    spec = _spec(found, name or _name_from(next(iter(files.values()))), license, plugins)
    generators = {way: _generator(spec, one, way, files[way], plugins) for way, one in found.items()}
    told = {way: _told(one, generators[way], files[way]) for way, one in found.items()}
    info = ModelInfo(spec, 0, False, tuple(found), tuple(_in_words(way, one) for way, one in told.items()))
    _write(output, generators, info, providers_used(spec, plugins))
    return Imported(output, told)


def _spec(found: Mapping[str, Found], name: str, license: str | None, plugins: Plugins) -> Spec:
    """Return a spec whose generators are those that were found."""
    channels = {}
    for direction, one in found.items():
        ways = (one.recognised.in_channels, one.recognised.out_channels)
        channels[direction] = ways if direction == "a2b" else ways[::-1]
    a, b = next(iter(channels.values()))
    if len(set(channels.values())) > 1:
        said = " and ".join(f"{way} {pair[0]} of a and {pair[1]} of b" for way, pair in channels.items())
        raise CheckpointError(f"the two files do not belong together: {said} channels")
    registry = plugins.registries.generators
    uses = {way: {"name": registry.reference(one.component), **one.recognised.options} for way, one in found.items()}
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
        raise CheckpointError(f"the network that was found cannot be built: {reasons}") from error


def _generator(spec: Spec, found: Found, direction: str, file: Path, plugins: Plugins) -> nn.Module:
    generator = build_generator(spec, plugins, direction)
    own = generator.state_dict()
    state = {
        name: tensor.to(own[name].dtype) if name in own else tensor for name, tensor in found.recognised.state.items()
    }
    load_strictly(generator, state, what=f"{found.component} for {file}")
    return generator.eval()


def _told(found: Found, generator: nn.Module, file: Path) -> dict[str, Any]:
    recognised = found.recognised
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    remarks = list(recognised.remarks)
    if found.numbers > sum(tensor.numel() for tensor in recognised.state.values()):
        remarks.insert(0, f"the file has {found.numbers:,}, those without an effect included")
    return {
        "file": os.fspath(file),
        "sha256": digest,
        "key": found.key,
        "generator": found.component.name,
        "options": dict(recognised.options),
        "channels": [recognised.in_channels, recognised.out_channels],
        "parameters": parameters,
        "numbers": found.numbers,
        "remarks": remarks,
    }


def described(told: Mapping[str, Any]) -> str:
    """Return in words what was found for a direction."""
    values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in told["options"].items()}
    options = ", ".join(f"{name} {value}" for name, value in values.items())
    channels = " to ".join(map(str, told["channels"]))
    network = f"{told['generator']} ({options}), {channels} channels, {told['parameters']:,} parameters"
    return "; ".join([network, *told["remarks"]])


def _in_words(direction: str, told: Mapping[str, Any]) -> str:
    return f"{direction} from {Path(told['file']).name} (sha256 {told['sha256'][:16]}): {described(told)}"


def _name_from(file: Path) -> str:
    return re.sub(r"[^\w. -]", "-", file.stem).lstrip(".- ")[:100] or "imported"


def _write(output: Path, generators: Mapping[str, nn.Module], info: ModelInfo, providers: Mapping[str, str]) -> None:
    temporary = output.with_name(f".tmp-{os.getpid()}-{output.name}"[:255])
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_model(temporary, generators, info, providers)
        temporary.replace(output)  # over an empty folder, too
    except OSError as error:
        raise ResourceError(f"{output} cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            shutil.rmtree(temporary)
