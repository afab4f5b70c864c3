"""The contract of exporters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


class Exporter(Protocol):
    """Built as `(*, options)`: writes a generator to a file for other programs, as `cgkit export --format NAME` does.

    `suffix` is the suffix of its files, such as `".onnx"`. A `ValueError` from any method says why the generator cannot
    be written. Raise `ImportError` if a package is missing, or `cgkit.errors.UsageError` with a hint.

    Optional attribute:
        any_size: false if a file only translates images of the shape of `example`. By default, it translates any number
            of images, whose height and width are multiples of the network's stride and at least two strides.

    Optional methods:
        load(file): returns a function that translates images as the file does. It is called after `export`, on the same
            object. cgkit compares the function with the network, and keeps the file only if they agree. Without this
            method, the file is kept with a warning.
        annotate(file, notes): stores facts about the model in the file, which has been compared: texts by name, such as
            `direction`, `step`, `spec` and `largest_difference`.
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
