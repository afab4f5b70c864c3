"""The model folder: everything that is needed to translate images with a model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import safetensors
from torch import Tensor, nn

from cgkit.checkpoints import load_strictly, tensor_files
from cgkit.checkpoints.durable import Content, read_content
from cgkit.engine.assembly import build_generator
from cgkit.errors import CgkitError, CgkitWarning, CheckpointError, UsageError
from cgkit.evaluation.numbers import Number
from cgkit.files.atomic import replacing
from cgkit.models.card import model_card
from cgkit.models.config import CONFIG, Config, check_weights, read_config
from cgkit.models.info import DIRECTIONS, FORMAT, MODEL, RAW, ModelInfo, Weights
from cgkit.models.provenance import made_with, refuse_other_plugins
from cgkit.options import options_of
from cgkit.plugins import Plugins
from cgkit.spec import Spec, resolve_spec
from cgkit.spec.images import Data
from cgkit.spec.model import ARRAYS, COMPONENT_TABLES
from cgkit.spec.reading import Layer


def write_model(
    folder: Path,
    generators: Mapping[str, nn.Module] | nn.ModuleDict,
    info: ModelInfo,
    providers: Mapping[str, str],
    *,
    raw: Mapping[str, nn.Module] | nn.ModuleDict | None = None,
    scores: Sequence[Number] = (),
    changes: Sequence[str] = (),
) -> None:
    """Write the generators (in float32), a configuration and a model card.

    All files are written before any replaces that of a previous model, so a full disk leaves the previous model.

    Args:
        folder: the folder, created if necessary.
        generators: the generators to translate with, by direction.
        info: the description of the model.
        providers: the versions, by name, of the distributions that provide the spec's components.
        raw: the generators as trained, if `generators` is their moving average.
        scores: the scores of `generators`, for the model card.
        changes: the changes of the spec and of the images during the training, for the model card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {MODEL: generators} if raw is None else {MODEL: generators, RAW: raw}
    with ExitStack() as files:  # replaces the files in reverse order, so the configuration comes last
        config = files.enter_context(replacing(folder / CONFIG))
        card = files.enter_context(replacing(folder / "README.md"))
        card.write_text(model_card(info, scores, changes), encoding="utf-8")
        contents = {
            name: _write_weights(files.enter_context(replacing(folder / name)), networks)
            for name, networks in weights.items()
        }
        config.write_bytes(_describe(info, providers, contents).encode())
    # Delete the files of a previous model that the new model does not have.
    for name in (*map(_format_1_file, DIRECTIONS), *([] if raw is not None else [RAW])):
        with suppress(FileNotFoundError):
            (folder / name).unlink()


def written_step(folder: Path) -> int | None:
    """Return the step of the model in a folder; None if there is no complete model."""
    try:
        return read_config(folder).step
    except CheckpointError:
        return None


def no_run_folder(path: Path) -> CgkitError:
    """Return the error to raise for a path that is not a run folder."""
    hint = "pass a folder that cgkit run has written"
    if not path.exists():
        return UsageError(f"{path} does not exist", hint=hint)
    return CheckpointError(f"{path} {'is not a run folder' if path.is_dir() else 'is not a folder'}", hint=hint)


def read_model(folder: Path, plugins: Plugins) -> ModelInfo:
    """Read a model's configuration.

    Raises:
        CheckpointError: the configuration is missing or damaged, or a newer version of cgkit wrote it.
        SpecError: the model needs a component that no plugin provides.
        PluginError: the model was trained with an incompatible version of a plugin.
    """
    config = read_config(folder)
    providers = made_with(config.providers)
    spec = resolve_for_translating(_without_paths(config.spec, plugins), folder / CONFIG, plugins, providers)
    return ModelInfo(
        spec,
        config.step,
        config.averaged,
        config.directions,
        config.imported,
        config.started,
        config.format,
        config.files,
    )


def resolve_for_translating(
    values: Any, file: Path, plugins: Plugins, providers: Mapping[str, str] | None, *, keep: Collection[str] = ()
) -> Spec:
    """Resolve a spec without what only training needs, so that translating does not require its plugins.

    Args:
        values: a resolved spec.
        file: the file that it was read from.
        plugins: the loaded plugins.
        providers: the plugin versions that the networks were made with.
        keep: the tables that are needed in addition to those of generators and formats.

    Raises:
        SpecError: a component is needed that no plugin provides.
        PluginError: an incompatible version of a plugin is installed.
    """
    layer = Layer(os.fspath(file), {}, file.parent, {})
    spec = resolve_spec(_keep_for_translating(values, keep), plugins, [layer], made_with=providers)
    other_versions = refuse_other_plugins(providers, spec, plugins, file.parent)
    if other_versions is not None:
        warnings.warn(f"{other_versions}, so it may translate differently", CgkitWarning, stacklevel=2)
    return _with_source(spec, values)


def load_generator(
    folder: Path, info: ModelInfo, direction: str, plugins: Plugins, weights: Weights | None = None
) -> nn.Module:
    """Build the generator of one direction and load its weights.

    Args:
        folder: the model folder.
        info: the result of `read_model`.
        direction: `a2b` or `b2a`.
        plugins: the loaded plugins.
        weights: `ema` for the moving average, `raw` for the weights as trained; by default `ema` if available.

    Raises:
        CheckpointError: the weights are missing, damaged or do not fit the network, or the model does not have the
            direction or the kind of weights.
        UsageError: `direction` or `weights` is not one of the values above.
    """
    file, tensors = read_weights(folder, info, direction, weights)
    generator = build_generator(info.spec, plugins, direction)
    load_strictly(generator, tensors, what=os.fspath(file))
    return generator.eval()


def read_weights(
    folder: Path, info: ModelInfo, direction: str, weights: Weights | None = None
) -> tuple[Path, dict[str, Tensor]]:
    """Return the file that holds the weights of one direction, and these weights by name; see `load_generator`."""
    file, prefix = _locate_weights(folder, info, direction, weights)
    try:
        check_weights(file, info.files)
        with safetensors.safe_open(file, framework="pt") as stored:
            names = [name for name in stored.keys() if name.startswith(prefix)]  # noqa: SIM118 (not a dict)
            return file, {name.removeprefix(prefix): stored.get_tensor(name) for name in names}
    except (OSError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{file} cannot be read: {error}") from error


def check_request(model: object, info: ModelInfo, direction: str, weights: str | None) -> None:
    """Refuse a direction or a kind of weights that a model does not have; see `load_generator` for the errors."""
    if direction not in DIRECTIONS:
        raise UsageError(f"there is no direction {direction!r}", hint=f"use {' or '.join(DIRECTIONS)}")
    if weights not in (None, "ema", "raw"):
        raise UsageError(f"there is no kind of weights {weights!r}", hint="use ema or raw")
    if direction not in info.directions:
        raise CheckpointError(f"{model} only translates {' and '.join(info.directions)}, not {direction}")
    if weights == "ema" and not info.averaged:
        hint = "use raw; a run computes a moving average only if its spec sets train.ema"
        raise CheckpointError(f"{model} has no moving average of its weights", hint=hint)


def _locate_weights(folder: Path, info: ModelInfo, direction: str, weights: str | None) -> tuple[Path, str]:
    """Return the file that holds the weights of a direction, and the prefix of the weights' names in that file."""
    check_request(folder, info, direction, weights)
    raw = weights == "raw" and info.averaged
    if info.format == 1:
        if raw:
            raise CheckpointError(f"{folder} has format 1, which holds only the moving average")
        return folder / _format_1_file(direction), ""
    return folder / (RAW if raw else MODEL), f"{direction}."


def _format_1_file(direction: str) -> str:
    return f"generator_{direction}.safetensors"


def _describe(info: ModelInfo, providers: Mapping[str, str], files: Mapping[str, Content]) -> Config:
    values = (info.step, info.averaged, info.directions, info.spec.to_json(), info.imported, info.started)
    return Config(FORMAT, *values, dict(providers), files)


def _write_weights(file: Path, generators: Mapping[str, nn.Module] | nn.ModuleDict) -> Content:
    tensors = {
        f"{direction}.{name}": tensor.float() if tensor.is_floating_point() else tensor
        for direction, generator in generators.items()
        for name, tensor in generator.state_dict().items()
    }
    tensor_files.write(file, tensors)
    return read_content(file)


def _keep_for_translating(values: Any, keep: Collection[str]) -> Any:
    if not isinstance(values, dict) or not isinstance(values.get("data"), dict):
        return values
    dropped = {"requires", "plugins", *COMPONENT_TABLES, *ARRAYS} - {"generator", "format", *keep}
    data = {key: value for key, value in values["data"].items() if key in Data.model_fields and key != "source"}
    return {**{key: value for key, value in values.items() if key not in dropped}, "data": data}


def _with_source(spec: Spec, values: Any) -> Spec:
    """Return a spec that names the source of the training images again, which may not be installed here."""
    table = values.get("data") if isinstance(values, dict) else None
    if not isinstance(table, dict) or "source" not in table:
        return spec
    data = {**{name: getattr(spec.data, name) for name in Data.model_fields}, "source": table["source"]}
    options = {name: value for name, value in table.items() if name not in Data.model_fields}
    return spec.model_copy(update={"data": Data.model_construct(**data, **options)})


def _without_paths(values: Any, plugins: Plugins) -> Any:
    """Return a spec without the paths of its generators, because a model has all of its weights itself."""
    if not isinstance(values, dict) or not isinstance(values.get("generator"), dict):
        return values
    kept = {}
    for direction, table in values["generator"].items():
        kept[direction] = table
        if not isinstance(table, dict) or not isinstance(table.get("name"), str):
            continue  # reported, as is an unknown generator, when the spec is resolved
        with suppress(CgkitError):
            options = options_of(plugins.registries.generators[table["name"]])
            paths = {name for name, option in options.items() if option.is_path and name in table}
            kept[direction] = {name: value for name, value in table.items() if name not in paths}
    return {**values, "generator": kept}
