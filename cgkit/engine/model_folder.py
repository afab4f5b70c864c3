"""The model folder of a run: everything that a translation needs, and nothing else."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from cgkit.atomic import replace_text, replacing
from cgkit.checkpoints import load_strictly
from cgkit.engine.assembly import build_generator
from cgkit.engine.continuation import refuse_other_plugins
from cgkit.engine.run_folder import made_with
from cgkit.errors import CheckpointError
from cgkit.plugins import Plugins
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.model import ARRAYS, COMPONENT_TABLES, Data
from cgkit.spec.reading import Layer

FORMAT = 1
DIRECTIONS = ("a2b", "b2a")


@dataclass(frozen=True)
class ModelInfo:
    """What a model is: its resolved spec, the step that it was saved at, and whether it is a moving average.

    Read back, the spec names the components that made the translations, and the default ones where others trained.
    """

    spec: Spec
    step: int
    averaged: bool


def write_model(folder: Path, generators: nn.ModuleDict, info: ModelInfo, providers: dict[str, str]) -> None:
    """Write both generators in float32, their configuration and a model card; each file is replaced all or nothing.

    `providers` are the distributions that the spec's components come from, with their versions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for direction, generator in generators.items():
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
        with replacing(folder / f"generator_{direction}.safetensors") as temporary:
            temporary.write_bytes(safetensors.torch.save(tensors, metadata={"format": "pt"}))
    config = {
        "format": FORMAT,
        "library_name": "cgkit",
        "step": info.step,
        "averaged": info.averaged,
        "providers": providers,
        "spec": info.spec.to_json(),
    }
    replace_text(folder / "README.md", _model_card(info))
    replace_text(folder / "config.json", json.dumps(config, indent=2) + "\n")


def read_model(folder: Path, plugins: Plugins) -> ModelInfo:
    """Read a model's configuration.

    Raises:
        CheckpointError: there is none, or it was made by a newer version.
        SpecError: it needs a component that no plugin provides.
        PluginError: it was made with another version of a plugin, which may mean another network by the same name.
    """
    file = folder / "config.json"
    try:
        config: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        written_by, step, averaged, values = (config[key] for key in ("format", "step", "averaged", "spec"))
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no model: there is no config.json") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{file} is not a model's configuration: {error!r}") from error
    if written_by != FORMAT:
        raise CheckpointError(f"{file} has format {written_by}, this version reads {FORMAT}", hint="upgrade cgkit")
    providers = made_with(config.get("providers"))
    layer = Layer(os.fspath(file), {}, folder, {})
    spec = resolve_spec(_for_translating(values), plugins, [layer], made_with=providers)
    refuse_other_plugins(providers, spec, plugins, folder)
    return ModelInfo(spec, int(step), bool(averaged))


def load_generator(folder: Path, info: ModelInfo, direction: str, plugins: Plugins) -> nn.Module:
    """Build the generator of one direction and load its weights.

    Raises:
        CheckpointError: the weights are missing, damaged, or those of another network.
    """
    file = folder / f"generator_{direction}.safetensors"
    generator = build_generator(info.spec, plugins, direction)
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(file)
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error
    load_strictly(generator, tensors, what=os.fspath(file))
    return generator.eval()


def _for_translating(values: Any) -> Any:
    """Return a spec without what only the training needed, so that a translation needs no plugin of that either."""
    if not isinstance(values, dict) or not isinstance(values.get("data"), dict):
        return values
    dropped = {"requires", *COMPONENT_TABLES, *ARRAYS} - {"generator"}
    data = {key: value for key, value in values["data"].items() if key in Data.model_fields and key != "source"}
    return {**{key: value for key, value in values.items() if key not in dropped}, "data": data}


def _model_card(info: ModelInfo) -> str:
    spec = info.spec
    generator = spec.generator.a2b.name if spec.generator.a2b else "unknown"
    height, width = spec.data.size
    return f"""---
library_name: cgkit
pipeline_tag: image-to-image
---
# {spec.name}

Translates images between two domains, both ways (CycleGAN, Zhu et al., ICCV 2017).

- generator: {generator}, {"moving average of the weights" if info.averaged else "weights as trained"}
- trained for {info.step} steps on {width}x{height} pixels, seed {spec.seed}
- channels: {spec.data.channels[0]} in domain a, {spec.data.channels[1]} in domain b

`cgkit translate THIS_FOLDER IMAGES --output FOLDER --direction a2b`
"""
