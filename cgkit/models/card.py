"""The model card: a description of a model and its scores, for anyone who finds its folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cgkit.evaluation.numbers import Number
from cgkit.models.info import ModelInfo
from cgkit.spec.images import labels_of

CARD = "README.md"
HEADER = re.compile(r"\A---\n.*?^---\n", re.DOTALL | re.MULTILINE)
"""The YAML header of a card."""


def model_card(info: ModelInfo, scores: Sequence[Number] = (), changes: Sequence[str] = ()) -> str:
    """Return a model card in Markdown, with the YAML header that model hubs read.

    See https://huggingface.co/docs/hub/model-cards#model-card-metadata.

    Args:
        info: the description of the model.
        scores: the scores of the model; empty if it was not evaluated.
        changes: the changes of the spec and of the images during the training.
    """
    description = "\n".join((_description(info), *(f"- changed {_to_plain(change)}" for change in changes)))
    parts = (f"# {info.spec.name}", description, _usage(info), *_scores(scores))
    return f"---\n{_header(info, scores)}---\n" + "\n\n".join(parts) + "\n"


def read_card(folder: Path | None, info: ModelInfo) -> str:
    """Return the card in a model's folder, which its author may have edited; a new one if there is none."""
    try:
        return model_card(info) if folder is None else (folder / CARD).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return model_card(info)


def licence_of(card: str, info: ModelInfo) -> str | None:
    """Return the licence of a model: that of its card's header, which its author may have edited, or of its spec."""
    header = HEADER.match(card)
    stated = re.search(r"^license:[ \t]*['\"]?([^'\"\n]+)", header[0], re.MULTILINE) if header else None
    return stated[1].strip() if stated else info.spec.license


def _header(info: ModelInfo, scores: Sequence[Number]) -> str:
    values: dict[str, str | list[str]] = {"library_name": "cgkit", "pipeline_tag": "image-to-image"}
    if info.spec.license is not None:
        values["license"] = info.spec.license
    values["tags"] = [*(["cyclegan", "unpaired"] if info.imported is None else []), *_generators(info)]
    if scores:
        values["metrics"] = list(dict.fromkeys(score.name for score in scores))
    # JSON is valid YAML, and it quotes every string, so YAML cannot misread one as another type.
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items())


def _description(info: ModelInfo) -> str:
    spec = info.spec
    first, second = spec.data.channels
    labels = labels_of(spec.to_json())
    ways = " and ".join(labels[direction] for direction in info.directions)
    trained = " (CycleGAN, Zhu et al., ICCV 2017)" if info.imported is None else ""
    lines = [
        f"Translates images between two domains, from {ways}{trained}.",
        "",
        f"- generator: {' and '.join(_generators(info))}",
        f"- channels: {first} in {labels['a']}, {second} in {labels['b']}",
    ]
    if info.imported is not None:
        lines += [f"- imported: {_to_plain(text)}" for text in info.imported]
    else:
        lines += _training(info, labels)
    for text in info.started:
        source, *networks = map(_to_plain, text.splitlines())
        lines += [f"- started from {source}", *(f"  - {network}" for network in networks)]
    return "\n".join(lines)


def _training(info: ModelInfo, labels: Mapping[str, str]) -> Iterable[str]:
    data, averaged = info.spec.data, "; the weights are a moving average" if info.averaged else ""
    height, width = data.size
    yield f"- trained for {info.step} steps on {width}x{height} pixels, seed {info.spec.seed}{averaged}"
    scales = {labels["a"]: data.trained_scale.a, labels["b"]: data.trained_scale.b}
    if all(scale == (1, 1) for scale in scales.values()):
        return
    shown = (
        f"{'unknown' if scale is None else ' x '.join(f'{factor:.3g}' for factor in scale)} in {label}"
        for label, scale in scales.items()
    )
    yield f"- scale of training images (height x width): {', '.join(shown)}"


def _usage(info: ModelInfo) -> str:
    direction = info.directions[0]
    return f"    cgkit translate THIS_FOLDER IMAGES --output FOLDER --direction {direction}"


def _scores(scores: Sequence[Number]) -> Iterable[str]:
    """Yield the paragraphs about the scores, or nothing if there are no scores."""
    if not scores:
        return
    yield "## Scores"
    yield _table(scores)
    yield "\n".join(_protocols(scores))


def rows_of(scores: Sequence[Number]) -> list[tuple[str, ...]]:
    """Return a table of scores as texts; its first row has the headings. It is empty if there are no scores."""
    header = ("direction", "metric", "value", "95 % interval", "real", "untranslated")
    rows = [
        (
            score.direction,
            f"{score.name} ({score.better} is better)" if score.better else score.name,
            _number(score.value),
            " to ".join(map(_number, score.interval)) if score.interval else "",
            _number(score.real),
            _number(score.untranslated),
        )
        for score in scores
    ]
    # Columns that no score has say nothing.
    used = [index for index in range(len(header)) if index < 3 or any(row[index] for row in rows)]
    return [tuple(row[index] for index in used) for row in (header, *rows)] if rows else []


def _table(scores: Sequence[Number]) -> str:
    header, *rows = rows_of(scores)
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ("---",) * len(header), *rows))


def _protocols(scores: Sequence[Number]) -> Iterable[str]:
    """Yield one list item for each protocol, naming the scores that were measured by it."""
    by_protocol: dict[str, list[str]] = {}
    for score in scores:
        values = [f"{key} {_to_plain(value)}" for key, value in score.protocol.items() if value not in (None, {})]
        by_protocol.setdefault(", ".join(values), []).append(f"{score.name} {score.direction}")
    for protocol, names in by_protocol.items():
        yield f"- {', '.join(names)}: {protocol}"


def _generators(info: ModelInfo) -> list[str]:
    uses = [getattr(info.spec.generator, direction) for direction in info.directions]
    return list(dict.fromkeys(str(use.name) for use in uses if use is not None))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _to_plain(value: object) -> str:
    """Return a value as one line of text, without control characters."""
    text = value if isinstance(value, str) else json.dumps(value)
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
