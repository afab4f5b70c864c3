"""Open a trained model: a model folder, or a checkpoint of a run."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from cgkit.checkpoints import Checkpoint, left_out_digest, load_saved_state
from cgkit.engine.assembly import build_networks
from cgkit.models.address import RESOLVED, Address
from cgkit.models.folder import check_request, load_generator, read_model, resolve_for_translating
from cgkit.models.info import DIRECTIONS, ModelInfo, Weights
from cgkit.models.provenance import made_with
from cgkit.plugins import Plugins


@dataclass(frozen=True)
class Model:
    """A trained model: its description, and a function from a direction and a kind of weights to a generator."""

    info: ModelInfo
    generator: Callable[[str, Weights | None], nn.Module]
    """Returns a generator in evaluation mode; see `cgkit.models.folder.load_generator`."""


def open_model(address: str | os.PathLike[str] | Address, plugins: Plugins) -> Model:
    """Open the model that an address names: a run or model folder, `RUN@STEP`, `RUN@best` or `RUN@last`.

    Of a run that has not ended, the newest checkpoint is used, with a warning.

    Raises:
        CheckpointError: there is no such model or checkpoint, or it is damaged.
        SpecError: the model needs a component that no plugin provides.
        PluginError: the model was trained with an incompatible version of a plugin.
    """
    address = address if isinstance(address, Address) else Address.parse(address)
    folder = address.model()
    if folder is None:
        return _open_checkpoint(address, address.checkpoint(), plugins)
    info = read_model(folder, plugins)
    return Model(info, lambda direction, weights: load_generator(folder, info, direction, plugins, weights))


def _open_checkpoint(address: Address, checkpoint: Checkpoint, plugins: Plugins) -> Model:
    """Restore the generators as a resumed run would, including the check that frozen weights are the same."""
    state, tensors = checkpoint.state, checkpoint.tensors
    providers, file = made_with(state.get("providers")), address.folder / RESOLVED
    spec = resolve_for_translating(state["spec"], file, plugins, providers, keep=["discriminator"])
    networks = build_networks(spec, plugins)
    if spec.train.precision == "fp64":
        networks.double()
    trainer = state["trainer"]
    load_saved_state(networks, tensors["model"], trainer.get("left_out", {}).get("model"), what=f"{address}: model")
    generators = {"raw": networks.generators}
    if "ema" in tensors:
        average = generators["ema"] = copy.deepcopy(networks.generators)
        load_saved_state(average, tensors["ema"], left_out_digest(average), what=f"{address}: ema")
    info = ModelInfo(spec, checkpoint.step, "ema" in tensors, tuple(state.get("directions", DIRECTIONS)))

    def choose(direction: str, weights: Weights | None) -> nn.Module:
        check_request(address, info, direction, weights)
        return generators[weights or ("ema" if info.averaged else "raw")][direction].eval()

    return Model(info, choose)
