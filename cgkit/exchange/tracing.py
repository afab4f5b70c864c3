"""A network as a graph of operations, for any number of images of any height and width."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.export import Dim

from cgkit.errors import CgkitError, CheckpointError

if TYPE_CHECKING:
    from cgkit.exchange.exporting import Export


def example(export: Export) -> Tensor:
    """Return images to trace with: two, since with one the number would be taken for a constant."""
    return torch.rand(2, export.shapes[0][1], 3 * export.stride, 4 * export.stride)


def dimensions(export: Export) -> tuple[dict[int, Any]]:
    """Return what may vary: the number of images, and how often the stride goes into height and width.

    Twice at least, because what depends on there being more than one pixel is decided when it is traced.
    """
    return ({0: Dim("n", min=1), 2: export.stride * Dim("h", min=2), 3: export.stride * Dim("w", min=2)},)


@contextlib.contextmanager
def quietly(what: str) -> Iterator[None]:
    """Keep a tracer's remarks away from the user, who is told what failed, and nothing else.

    Raises:
        CheckpointError: the network cannot be traced.
    """
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr):
            warnings.simplefilter("ignore")
            yield
    except CgkitError:
        raise
    except Exception as error:  # a network may do anything, and a tracer raise anything
        first = (str(error).strip().splitlines() or [""])[0]
        raise CheckpointError(f"the generator cannot be written as {what}: {type(error).__name__}: {first}") from error
    finally:
        logger.setLevel(level)
