"""Write a network with an exporter, load the file again, and compare."""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch

from cgkit.abilities import advice_of, annotator_of, limit_of, loader_of, writes_any_size
from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.contracts import Exporter
from cgkit.errors import CgkitError, CheckpointError, PluginError, UsageError
from cgkit.exchange.comparing import Comparison, compare, references, shapes_to_compare
from cgkit.registry import Component


def write(
    network: OnUnitRange,
    exporter: Exporter,
    component: Component,
    file: Path,
    shape: tuple[int, int, int],
    notes: Mapping[str, str],
) -> Comparison | None:
    """Write a network to a file, and compare the file with the network if the exporter can load it.

    Args:
        network: the network to write.
        exporter: the built exporter.
        component: the exporter's component, for messages.
        file: the file to write.
        shape: channels, height and width of training images.
        notes: what the file should say about the network; the result of the comparison is added.

    Raises:
        CheckpointError: the exporter cannot write this network, or the outputs differ.
        PluginError: the exporter wrote no file.
        UsageError: a package is missing.
    """
    shapes = shapes_to_compare(shape[0], network.stride, (shape[1], shape[2]))
    # Before the export, in case that the exporter changes the network, which it must not.
    expected = references(network, shapes if writes_any_size(exporter) else shapes[-1:])
    example = expected[-1].images
    with failures_reported(component):
        exporter.export(network, example, file)
    if not file.is_file():
        raise PluginError(f"{component} wrote no file")
    load, annotate = loader_of(exporter), annotator_of(exporter)
    comparison = None
    if load is not None:
        with failures_reported(component):
            exported = load(file)
        comparison = compare(expected, exported, limit_of(exporter), advice_of(exporter))
    if annotate is not None:
        with failures_reported(component):
            annotate(file, {**notes, **_describe(comparison)})
    return comparison


def _describe(comparison: Comparison | None) -> dict[str, str]:
    if comparison is None:
        return {}
    return {
        "largest_difference": f"{comparison.difference:.3g}",
        "compared_on": json.dumps(comparison.shapes),
    }


@contextlib.contextmanager
def failures_reported(component: Component, what: str = "the generator") -> Iterator[None]:
    """Silence an exporter and the tracers that it uses, and turn all failures into errors for the user.

    Raises:
        CheckpointError: `what` cannot be written.
        UsageError: a package is missing.
    """
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    refusal = f"{what} cannot be written as {component.name}"
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(sys.stderr), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    except (CgkitError, OSError):
        raise
    except ImportError as error:
        raise UsageError(f"{component}: {error}", hint=f"pip install {error.name}" if error.name else None) from error
    except ValueError as error:
        raise CheckpointError(f"{refusal}: {_first_line(error)}") from error
    except Exception as error:  # networks and tracers may raise anything
        raise CheckpointError(f"{refusal}: {type(error).__name__}: {_first_line(error)}") from error
    finally:
        logger.setLevel(level)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0]
