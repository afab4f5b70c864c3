"""What is known about a model besides its weights: its card, its scores and its samples."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from cgkit.contracts import ModelFacts, SamplePair
from cgkit.errors import CgkitWarning, CheckpointError
from cgkit.evaluation.record import read_evaluation, weights_name
from cgkit.images.sheet import Column, Sheet, list_sheets, read_sheet
from cgkit.models.address import Address
from cgkit.models.card import HEADER, licence_of, read_card, rows_of
from cgkit.models.info import ModelInfo, Weights
from cgkit.spec.images import labels_of


def facts_of(
    run_or_model: str | os.PathLike[str], info: ModelInfo, directions: Sequence[str], weights: Weights | None
) -> ModelFacts:
    """Return what is known about the model that an address names.

    Scores are those of the exported weights. Samples are of the newest sheet that is not newer than the model. What
    cannot be read is left out, with a warning.

    Args:
        run_or_model: the address, see `Address.parse`.
        info: the description of the model.
        directions: the exported directions.
        weights: the exported weights; None for the moving average if there is one.
    """
    address = Address.parse(run_or_model)
    averaged = info.averaged if weights is None else weights == "ema"
    card = read_card(address.model(), info)
    return ModelFacts(
        name=info.spec.name,
        card=_describe(card),
        licence=licence_of(card, info),
        scores=_scores(address, info, averaged, directions),
        samples=tuple(samples_of(address, info.step, directions)),
    )


def _describe(card: str) -> str:
    """Return a card without its header, its scores, and the command, which needs the model's folder."""
    text = re.sub(r"^    cgkit translate THIS_FOLDER .*\n*", "", HEADER.sub("", card, count=1), flags=re.MULTILINE)
    return re.sub(r"^## Scores\n.*?(?=^## |\Z)", "", text, count=1, flags=re.DOTALL | re.MULTILINE).strip()


def _scores(address: Address, info: ModelInfo, averaged: bool, directions: Sequence[str]) -> list[tuple[str, ...]]:
    try:
        evaluation = read_evaluation(address.scores_folder(info.step))
    except CheckpointError as error:
        _warn_of(error)
        return []
    if evaluation is None or (evaluation.step, evaluation.weights) != (info.step, weights_name(averaged)):
        return []
    rows = rows_of([number for number in evaluation.numbers if number.direction in directions])
    labels = labels_of(info.spec.to_json())
    return [(labels.get(row[0], row[0]), *row[1:]) for row in rows]


def samples_of(address: Address, step: int, directions: Sequence[str]) -> Iterator[SamplePair]:
    """Yield the test images of the newest sheet that is not newer than a step, with their translations."""
    sheets = [file for made_at, file in list_sheets(address.folder).items() if made_at <= step]
    sheet = _read(sheets[-1]) if sheets else None
    if not isinstance(sheet, Sheet):
        return
    columns = {(column.direction, column.role): column for column in sheet.columns}
    for direction in directions:
        pair = columns.get((direction, "source")), columns.get((direction, "translation"))
        if pair[0] and pair[1]:
            yield from _pairs(direction, pair[0], pair[1], sheet.names.get(direction[0], ()))


def _pairs(direction: str, sources: Column, translations: Column, names: Sequence[str]) -> Iterator[SamplePair]:
    pictures = zip(sources.pictures, translations.pictures, strict=False)
    for number, (image, translation) in enumerate(pictures):
        caption = names[number] if number < len(names) else f"image {number + 1}"
        yield SamplePair(direction, _to_png(image), _to_png(translation), caption)


def _read(file: Path) -> Sheet | Image.Image | None:
    try:
        return read_sheet(file)
    except CheckpointError as error:
        _warn_of(error)
        return None


def _to_png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, format="PNG", optimize=True)
    return content.getvalue()


def _warn_of(error: CheckpointError) -> None:
    warnings.warn(f"{error}; it is left out", CgkitWarning, stacklevel=2)
