"""The contract of exporters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cgkit.contracts.options import Size

if TYPE_CHECKING:
    from torch import Tensor, nn


class Exporter(Protocol):
    """Built as `(*, options)`: writes a generator to a file for other programs, as `cgkit export --format NAME` does.

    `suffix` is the suffix of its files, such as `".onnx"`. A `ValueError` from any method says why the generator cannot
    be written. Raise `ImportError` if a package is missing, or `cgkit.errors.UsageError` with a hint.

    Optional attributes:
        any_size: false if a file only translates images of the shape of `example`. By default, it translates any number
            of images, whose height and width are multiples of the network's stride and at least two strides.
        limit: the largest accepted difference between the outputs of a file and of the network, in [0, 1]; by default
            1e-4. Options may determine it: weights that are stored with fewer bits differ by more.
        advice: what to do if the difference is larger, such as `"add --option weights=fp32"`; None for no advice.

    Optional methods:
        load(file): returns a function that translates images as the file does. It is called after `export`, on the same
            object. cgkit compares the function with the network, and keeps the file only if they agree. Without this
            method, the file is kept with a warning.
        annotate(file, notes): stores facts about the model in the file, which has been compared: texts by name, such as
            `direction`, `step`, `spec` and `largest_difference`.
        assemble(directions, facts, file): writes one file, or a folder, for the whole model. cgkit then exports,
            compares and annotates each direction in a temporary file, and calls `assemble` with a sequence of
            `ExportedDirection` and with `ModelFacts`. What the user gets is only `file`, which does not exist yet.
    """

    suffix: str

    def export(self, network: nn.Module, example: Tensor, file: Path, /) -> None:
        """Write a network to `file`, which does not exist yet and has the suffix; write nothing else.

        Args:
            network: in evaluation mode and float32 on the CPU, which must not be changed. Its inputs and
                outputs are images in [0, 1]. `network.generator` is the generator, whose images are in [-1, 1], and
                `network.stride` the number that height and width must be multiples of.
            example: an image of the size of training images, `(1, C, H, W)` in [0, 1].
            file: the path to write to.
        """


@dataclass(frozen=True)
class ExportedDirection:
    """One direction of a model, which an exporter wrote to a file and cgkit compared.

    Attributes:
        direction: `a2b` or `b2a`.
        file: what `Exporter.export` wrote.
        names: what a person calls the domain of the images, and that of their translations.
        channels: the channels of the images, and of their translations.
        stride: the number that the height and width of images must be multiples of.
        size: the height and width of training images.
        trained_scale: the vertical and horizontal factor by which training scaled its images; None if unknown.
        eight_bits: whether images and translations have 8 bits per value, from 0 for black to 255 for white.
        background: the colour behind transparent pixels, each value from 0 to 255.
        keeps_alpha: whether a translation gets its image's alpha channel.
        difference: the largest difference between the file and the network, in [0, 1]; None if they were not compared.
    """

    direction: str
    file: Path
    names: tuple[str, str]
    channels: tuple[int, int]
    stride: int
    size: Size
    trained_scale: tuple[float, float] | None
    eight_bits: bool
    background: tuple[int, int, int]
    keeps_alpha: bool
    difference: float | None


@dataclass(frozen=True)
class SamplePair:
    """A test image and its translation by the model, both as PNG files, and what to call the image."""

    direction: str
    image: bytes
    translation: bytes
    caption: str


@dataclass(frozen=True)
class ModelFacts:
    """What is known about a model.

    Attributes:
        name: the name of the model.
        card: the model card in Markdown, without its YAML header and without scores.
        licence: the model's licence; None if it declares none.
        scores: a table of the model's scores as texts, its first row the headings; empty if it was not evaluated.
        samples: test images and their translations, of the directions that are exported.
    """

    name: str
    card: str = ""
    licence: str | None = None
    scores: Sequence[Sequence[str]] = ()
    samples: Sequence[SamplePair] = ()
