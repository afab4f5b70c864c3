"""The check whether images larger than memory can be translated."""

from __future__ import annotations

import torch

from cgkit.engine.precision import Precision
from cgkit.testing.check import RemarkError, check
from cgkit.testing.subject import Subject
from cgkit.tiling.graph import UntileableError
from cgkit.tiling.tiled_generator import TiledGenerator


@check("generators")
def translates_in_tiles(subject: Subject) -> None:
    """Images larger than memory can be translated in tiles, with the same result; if not, the reason is reported."""
    try:
        TiledGenerator(subject.network(), 3, Precision("fp32", torch.device("cpu")))
    except UntileableError as error:
        raise RemarkError(f"images larger than memory cannot be translated: {error}") from error
