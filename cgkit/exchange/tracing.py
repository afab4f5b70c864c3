"""Trace a generator for any batch size, height and width."""

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


def example_images(export: Export) -> Tensor:
    """Return two images to trace with, because the tracer would treat a batch size of one as a constant."""
    return torch.rand(2, export.shapes[0][1], 3 * export.stride, 4 * export.stride)


def dynamic_shapes(export: Export) -> tuple[dict[int, Any]]:
    """Return the dynamic dimensions: the batch size, and height and width in multiples of the stride.

    Height and width are at least two strides: at one stride, feature maps may be a single pixel wide, and the tracer
    would restrict the program to that case.
    """
    return ({0: Dim("n", min=1), 2: export.stride * Dim("h", min=2), 3: export.stride * Dim("w", min=2)},)


@contextlib.contextmanager
def quiet_tracing(form: str) -> Iterator[None]:
    """Silence the tracer, and turn all its failures into `CheckpointError`.

    Args:
        form: the format being written, such as "ONNX", for the message.

    Raises:
        CheckpointError: the network cannot be traced or written.
    """
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    except CgkitError:
        raise
    except Exception as error:  # networks and tracers may raise anything
        first = (str(error).strip().splitlines() or [""])[0]
        raise CheckpointError(f"the generator cannot be written as {form}: {type(error).__name__}: {first}") from error
    finally:
        logger.setLevel(level)
