"""A generator as a program of torch.export (`.pt2`), which needs nothing but torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from cgkit.exchange.comparing import Comparison, compare
from cgkit.exchange.tracing import dimensions, example, quietly

if TYPE_CHECKING:
    from cgkit.exchange.exporting import Export

ABOUT = "cgkit.json"
"""The part of the file that says what it is: `torch.export.load(file, extra_files={"cgkit.json": ""})`."""


def write(export: Export, file: Path) -> Comparison:
    """Write a generator as a program, load that again, and return how far it is from the generator.

    Raises:
        CheckpointError: the generator has no such form, or the program does not compute the same.
    """
    with quietly("a program of torch.export"):
        program = torch.export.export(export.network, (example(export),), dynamic_shapes=dimensions(export))
        _save(program, file, {})
        with file.open("rb") as opened:
            loaded = torch.export.load(opened).module()
    comparison = compare(export.network, loaded, export.shapes)
    with quietly("a program of torch.export"):
        _save(program, file, export.about_with(comparison))
    return comparison


def _save(program: torch.export.ExportedProgram, file: Path, about: dict[str, str]) -> None:
    with file.open("wb") as opened:
        torch.export.save(program, opened, extra_files={ABOUT: json.dumps(about)})
