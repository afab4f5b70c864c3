"""Export a generator to ONNX."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from cgkit.errors import UsageError
from cgkit.exchange.comparing import Comparison, compare
from cgkit.exchange.tracing import dynamic_shapes, example_images, quiet_tracing

if TYPE_CHECKING:
    from cgkit.exchange.exporting import Export

INPUT, OUTPUT = "images", "translations"


def write(export: Export, file: Path) -> Comparison:
    """Write a generator as an ONNX file, run the file in ONNX Runtime, and compare its outputs with the generator's.

    The result of the comparison and the spec are stored in the file's metadata.

    Raises:
        UsageError: the optional dependencies `cgkit[onnx]` are not installed.
        CheckpointError: the generator cannot be converted, or the outputs differ.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter imports it
    except ImportError as error:
        raise UsageError(f"{error.name} is not installed", hint='pip install "cgkit[onnx]"') from error
    with quiet_tracing("ONNX"):
        program = torch.onnx.export(
            export.network,
            (example_images(export),),
            dynamo=True,
            dynamic_shapes=dynamic_shapes(export),
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
        assert program is not None
        program.save(file)
    session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])

    comparison = compare(export.network, run, export.shapes)
    program.model.metadata_props.update(export.metadata_with(comparison))
    program.save(file)
    return comparison
