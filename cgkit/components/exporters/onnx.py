"""Export a generator to ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from cgkit.components.exporters.dynamic_shapes import dynamic_shapes, example_images
from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.errors import UsageError

INPUT = "images"
OUTPUT = "translations"


class Onnx:
    """An ONNX file, for images of any number and size.

    Its input is called `images`, its output `translations`. It is compared in ONNX Runtime. What is known about the
    model is in the file's metadata.

    Raises:
        UsageError: the optional dependencies `cgkit[onnx]` are not installed.
    """

    suffix = ".onnx"

    def __init__(self) -> None:
        try:
            import onnx
            import onnxruntime
            import onnxscript  # noqa: F401 - torch's exporter imports it
        except ImportError as error:
            raise UsageError(f"{error.name} is not installed", hint='pip install "cgkit[onnx]"') from error
        self._onnx, self._runtime = onnx, onnxruntime

    def export(self, network: OnUnitRange, example: Tensor, file: Path) -> None:
        """Convert the network by tracing it with torch.export."""
        program = torch.onnx.export(
            network,
            (example_images(example, network.stride),),
            dynamo=True,
            dynamic_shapes=dynamic_shapes(network.stride),
            input_names=[INPUT],
            output_names=[OUTPUT],
            verbose=False,
        )
        assert program is not None
        program.save(file)

    def load(self, file: Path) -> Callable[[Tensor], Tensor]:
        """Return a function that runs the file in ONNX Runtime."""
        session = self._runtime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
        return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])

    def annotate(self, file: Path, notes: Mapping[str, str]) -> None:
        """Add the notes to the file's metadata."""
        model = self._onnx.load(file)
        self._onnx.helper.set_model_props(model, dict(notes))
        self._onnx.save(model, file)
