"""The files of a model for others: its weights, its configuration, its card and samples, and nothing else."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cgkit.abilities import assembler_of
from cgkit.checkpoints.durable import read_content
from cgkit.errors import UsageError
from cgkit.exchange.exporting import export_model
from cgkit.exchange.facts import samples_of
from cgkit.models.address import Address
from cgkit.models.card import CARD, licence_of, read_card
from cgkit.models.config import CONFIG, read_config
from cgkit.models.folder import write_model
from cgkit.models.info import MODEL, RAW, ModelInfo
from cgkit.models.opening import Model, open_model
from cgkit.packages import PAGES
from cgkit.plugins import Plugins
from cgkit.sharing.card import PAGE, Sample, hub_card
from cgkit.spec.providers import providers_used

SAMPLES = "samples"
"""The folder of the sample images."""

_ABSOLUTE = re.compile(r"(?<![\w.:/\\~-])(?:/|[A-Za-z]:[\\/])[^\s\"'`<>()|\[\]]+")


@dataclass(frozen=True)
class Contents:
    """The files of a model by their names: where they are, or what they contain."""

    info: ModelInfo
    files: Mapping[str, Path | bytes]

    @property
    def licence(self) -> str | None:
        """The licence of the model; None if there is none."""
        card = self.files.get(CARD, b"")
        text = card if isinstance(card, bytes) else card.read_bytes()
        return licence_of(text.decode("utf-8", "replace"), self.info)

    @property
    def sizes(self) -> dict[str, int]:
        """The size of each file in bytes."""
        return {
            name: len(file) if isinstance(file, bytes) else file.stat().st_size for name, file in self.files.items()
        }


def gather(address: str | os.PathLike[str], name: str, plugins: Plugins, workspace: Path, *, page: bool) -> Contents:
    """Return the files of a model, after loading it once to be sure that others can.

    Args:
        address: the model, see `Address.parse`.
        name: the model's name on the hub, for the instructions in its card.
        plugins: the loaded plugins.
        workspace: an empty folder for files that have to be written first, kept until the files have been sent.
        page: whether to add a web page that translates images.

    Raises:
        CheckpointError: there is no such model, or it is damaged.
        UsageError: a text of the model names a folder of this machine, or no plugin writes web pages.
    """
    place = Address.parse(address)
    model = open_model(place, plugins)
    folder = _write_or_check(place, model, plugins, workspace / "model")
    config = read_config(folder)
    names = [MODEL, RAW] if (folder / RAW).exists() and config.averaged else [MODEL]
    config = replace(config, files=config.files or {file: read_content(folder / file) for file in names})
    samples = list(_samples(place, model.info))
    packages = providers_used(model.info.spec, plugins, without=("data",))
    card = hub_card(read_card(folder, model.info), model.info, name, packages, samples, page=page)
    for label, text in {CONFIG: config.encode().decode(), CARD: card}.items():
        _refuse_places(text, folder / label)
    files: dict[str, Path | bytes] = {CONFIG: config.encode(), CARD: card.encode()}
    files |= {file: folder / file for file in config.files}
    files |= {file: content for sample in samples for file, content in sample.files.items()}
    if page:
        files[PAGE] = _write_page(address, workspace / PAGE, plugins)
    return Contents(model.info, files)


def _write_or_check(place: Address, model: Model, plugins: Plugins, temporary: Path) -> Path:
    """Return a model folder of the newest format, whose weights load."""
    info = model.info
    networks = {direction: model.generator(direction, None) for direction in info.directions}
    raw = None
    if info.averaged and info.format > 1:
        raw = {direction: model.generator(direction, "raw") for direction in info.directions}
    folder = place.model()
    if folder is not None and info.format > 1:
        return folder
    packages = providers_used(info.spec, plugins, without=("data",))
    # Format 1 holds only the moving average, which becomes the weights.
    write_model(temporary, networks, replace(info, averaged=raw is not None), packages, raw=raw)
    return temporary


def _samples(place: Address, info: ModelInfo) -> Iterator[Sample]:
    numbers: Counter[str] = Counter()
    for pair in samples_of(place, info.step, info.directions):
        numbers[pair.direction] += 1
        name = f"{SAMPLES}/{pair.direction}-{numbers[pair.direction]}"
        yield Sample(pair.direction, {f"{name}-source.png": pair.image, f"{name}-translation.png": pair.translation})


def _refuse_places(text: str, file: Path) -> None:
    """Refuse a text that names a file or folder of this machine, because others should not learn of it."""
    for number, line in enumerate(text.splitlines(), start=1):
        for found in _ABSOLUTE.findall(line):
            path = Path(found.rstrip(".,;:"))
            if len(path.parts) > 2 and path.is_absolute() and os.path.lexists(path):
                problem = f"line {number} of {file} names {path}, which others should not learn of"
                raise UsageError(problem, hint=f"remove it from {file}")


def _write_page(address: str | os.PathLike[str], file: Path, plugins: Plugins) -> Path:
    for component in plugins.registries.exporters:
        exporter = component.load()
        if assembler_of(exporter) is not None and getattr(exporter, "suffix", None) == file.suffix:
            export_model(address, file, format=component.qualified_name, plugins=plugins)
            return file
    raise UsageError("no plugin writes a model as a web page", hint=f"pip install {PAGES}, or leave --page out")
