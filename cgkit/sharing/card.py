"""The card of a model on the hub: that of its folder, with how to use the model from there, and with samples."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cgkit.models.card import HEADER, model_card
from cgkit.models.info import ModelInfo
from cgkit.spec.images import labels_of

PAGE = "page.html"
"""The file of the web page that translates images."""

_USE = re.compile(r"^ {4}cgkit translate THIS_FOLDER .*\n", re.MULTILINE)


@dataclass(frozen=True)
class Sample:
    """A test image and its translation: their PNG files by name, in this order."""

    direction: str
    files: Mapping[str, bytes]


def hub_card(
    text: str, info: ModelInfo, name: str, packages: Mapping[str, str], samples: Sequence[Sample], *, page: bool
) -> str:
    """Return the card of a model for the hub.

    Args:
        text: the card in the model's folder, which its author may have changed.
        info: the description of the model.
        name: the name of the model on the hub, `USER/NAME`.
        packages: the versions of the plugins that the model needs, by name.
        samples: test images with their translations.
        page: whether a web page is uploaded too.
    """
    if not HEADER.match(text):  # with which the hub finds the licence, the library and the kind of model
        header = HEADER.match(model_card(info))
        text = (header[0] if header else "") + text
    use = "\n".join(_use(info, name, packages, page=page)) + "\n"
    # Once only: a card that was uploaded before already says it.
    if f"hf:{name}" not in text:
        text = _USE.sub(lambda _: use, text, count=1) if _USE.search(text) else f"{text.rstrip()}\n\n{use}"
    if samples and "](samples/" not in text:
        text = f"{text.rstrip()}\n\n" + "\n".join(_show(samples, info)) + "\n"
    return text


def _use(info: ModelInfo, name: str, packages: Mapping[str, str], *, page: bool) -> Iterator[str]:
    direction = info.directions[0]
    yield "## Use"
    yield ""
    yield "```sh"
    yield " ".join(['pip install "cgkit[hub]"', *packages])
    yield f"cgkit translate hf:{name} IMAGES --output FOLDER --direction {direction}"
    yield "```"
    yield ""
    yield "```python"
    yield "from cgkit import Translator"
    yield ""
    yield f'translator = Translator.load("hf:{name}", direction="{direction}")'
    yield 'translator("image.png").save("translation.png")'
    yield "```"
    if page:
        yield ""
        yield f"Or download [{PAGE}]({PAGE}?download=true) and open it in a browser: it translates without a network."


def _show(samples: Sequence[Sample], info: ModelInfo) -> Iterator[str]:
    labels = labels_of(info.spec.to_json())
    yield "## Samples"
    for direction in dict.fromkeys(sample.direction for sample in samples):
        source, target = (labels[side] for side in (direction[0], direction[-1]))
        yield from ("", f"| {_escape(source)} | {_escape(target)} |", "|---|---|")
        for sample in samples:
            if sample.direction == direction:
                yield f"| {' | '.join(f'![]({file})' for file in sample.files)} |"


def _escape(text: str) -> str:
    return re.sub(r"([|<>\[\]`*_\\])", r"\\\1", text)
