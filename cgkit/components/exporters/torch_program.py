"""Export a generator as a torch.export program, which needs only torch to run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from cgkit.components.exporters.dynamic_shapes import dynamic_shapes, example_images
from cgkit.components.exporters.unit_range import OnUnitRange

NOTES = "cgkit.json"
"""The extra file with the notes; `torch.export.load(file, extra_files={"cgkit.json": ""})` reads it."""


class TorchProgram:
    """A torch.export program, for images of any number and size.

    Load it with `torch.export.load(file).module()`. What is known about the model is in its extra file `cgkit.json`.
    """

    suffix = ".pt2"

    def export(self, network: OnUnitRange, example: Tensor, file: Path) -> None:
        """Trace the network."""
        images = example_images(example, network.stride)
        _save(torch.export.export(network, (images,), dynamic_shapes=dynamic_shapes(network.stride)), file, {})

    def load(self, file: Path) -> Callable[[Tensor], Tensor]:
        """Return the program as a module."""
        return _load(file).module()

    def annotate(self, file: Path, notes: Mapping[str, str]) -> None:
        """Add the notes as an extra file."""
        _save(_load(file), file, {NOTES: json.dumps(dict(notes))})


def _load(file: Path) -> ExportedProgram:
    with file.open("rb") as opened:
        return torch.export.load(opened)


def _save(program: ExportedProgram, file: Path, extra_files: dict[str, str]) -> None:
    with file.open("wb") as opened:
        torch.export.save(program, opened, extra_files=extra_files)
