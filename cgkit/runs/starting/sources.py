"""Read the weights that a run may start from: a checkpoint, a model folder, or a file of another program."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import Tensor

from cgkit.checkpoints import read_checkpoint
from cgkit.checkpoints.manifest import MANIFEST, read_manifest, tensor_file
from cgkit.errors import CgkitError, CheckpointError, UsageError
from cgkit.exchange.foreign_files import read_foreign
from cgkit.exchange.recognition import recognise
from cgkit.models.address import Address
from cgkit.models.folder import read_model, read_weights
from cgkit.models.info import DIRECTIONS
from cgkit.plugins import Plugins
from cgkit.spec.start import is_remote

Choice = Literal["auto", "ema", "raw"]
Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Source:
    """Weights to start from.

    Attributes:
        path: the checkpoint, the model folder or the file.
        sha256: the digest of the file that has the weights of the generators.
        averaged: whether these are a moving average.
        generators: the weights of each generator that was trained, by direction, without those that are not saved.
        discriminators: the weights of each discriminator by domain; empty except for checkpoints.
        step: the step of the training that they are from; None if unknown.
    """

    path: Path
    sha256: str
    averaged: bool
    generators: Mapping[str, Tensors]
    discriminators: Mapping[str, Tensors] = field(default_factory=dict)
    step: int | None = None


def locate(address: str) -> Path:
    """Return the checkpoint, model folder or file that an address names; see `Address.parse`.

    A run folder stands for its newest checkpoint, or for its model if it has no checkpoints.

    Raises:
        UsageError: there is no such folder or file.
        CheckpointError: the run has no such checkpoint.
    """
    path = Path(address)
    if path.is_file() and not is_remote(address):
        return path
    named = Address.parse(address)
    if not named.folder.is_dir():
        raise UsageError(f"there is no run, model or file {address}")
    return named.kept() or named.model() or named.folder


def read_source(address: str, weights: Choice, plugins: Plugins) -> Source:
    """Read the weights that an address names; see `locate`.

    Args:
        address: the address.
        weights: which weights of the generators: their moving average, the weights as trained, or by default the
            average if there is one.
        plugins: the loaded plugins.

    Raises:
        UsageError: nothing has this address.
        CgkitError: the weights cannot be read, or the source has no moving average, which was asked for.
    """
    path = locate(address)
    if path.is_file():
        return _read_file(path, weights, plugins)
    return _read_checkpoint(path, weights) if (path / MANIFEST).exists() else _read_model(path, weights, plugins)


def _read_checkpoint(path: Path, weights: Choice) -> Source:
    checkpoint = read_checkpoint(path)
    model, average = checkpoint.tensors["model"], checkpoint.tensors.get("ema")
    if weights == "ema" and average is None:
        raise _no_average(path)
    averaged = average is not None and weights != "raw"
    trained = checkpoint.state.get("directions", DIRECTIONS)
    generators = average if averaged and average is not None else _select(model, "generators")
    return Source(
        path,
        read_manifest(path).files[tensor_file("ema" if averaged else "model")].sha256,
        averaged,
        {direction: _select(generators, direction) for direction in trained},
        {direction[-1]: _select(model, f"discriminators.{direction[-1]}") for direction in trained},
        checkpoint.step,
    )


def _read_model(path: Path, weights: Choice, plugins: Plugins) -> Source:
    info = read_model(path, plugins)
    chosen = None if weights == "auto" else weights
    read = {direction: read_weights(path, info, direction, chosen) for direction in info.directions}
    files = list(dict.fromkeys(file for file, _ in read.values()))
    averaged = info.averaged and weights != "raw"
    generators = {direction: tensors for direction, (_, tensors) in read.items()}
    digest = info.files[files[0].name].sha256 if info.files else _digest(*files)
    return Source(path, digest, averaged, generators, step=None if info.imported else info.step)


def _read_file(path: Path, weights: Choice, plugins: Plugins) -> Source:
    if weights == "ema":
        raise _no_average(path)
    try:
        state = recognise(read_foreign(path), plugins).recognised.state
    except CgkitError as error:
        hint = "if cgkit import can read it with other options, start from the folder that it writes"
        raise type(error)(error.message, hint=hint) from error
    return Source(path, _digest(path), False, dict.fromkeys(DIRECTIONS, state))


def _no_average(path: Path) -> CheckpointError:
    return CheckpointError(f"{path} has no moving average of its weights", hint='set start.weights = "raw"')


def _select(tensors: Tensors, part: str) -> Tensors:
    """Return the tensors of a part of a network, by their names in that part."""
    return {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}


def _digest(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
