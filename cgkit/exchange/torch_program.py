"""Export a generator as a torch.export program (`.pt2`), which needs only torch to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cgkit.exchange.comparing import Comparison, compare
from cgkit.exchange.tracing import dynamic_shapes, example_images, quiet_tracing

if TYPE_CHECKING:
    from cgkit.exchange.exporting import Export

METADATA = "cgkit.json"
"""The extra file with the metadata; `torch.export.load(file, extra_files={"cgkit.json": ""})` reads it."""


def write(export: Export, file: Path) -> Comparison:
    """Write a generator as a program, load the program again, and compare its outputs with the generator's.

    Raises:
        CheckpointError: the generator cannot be traced, or the outputs differ.
    """
    with quiet_tracing("a torch.export program"):
        program = torch.export.export(export.network, (example_images(export),), dynamic_shapes=dynamic_shapes(export))
        _save(program, file, {})
        with file.open("rb") as opened:
            loaded = torch.export.load(opened).module()
    comparison = compare(export.network, loaded, export.shapes)
    with quiet_tracing("a torch.export program"):
        _save(program, file, export.metadata_with(comparison))
    return comparison


def _save(program: torch.export.ExportedProgram, file: Path, metadata: dict[str, str]) -> None:
    with file.open("wb") as opened:
        torch.export.save(program, opened, extra_files={METADATA: json.dumps(metadata)})
