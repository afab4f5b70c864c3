"""An exporter that writes a model as a web page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from cgkit.components.exporters.onnx import INPUT, OUTPUT, Onnx
from cgkit.components.exporters.unit_range import OnUnitRange
from cgkit.contracts import ExportedDirection, ModelFacts
from cgkit_page.norms import COLLECTING, FROZEN, STATISTICS, expose_statistics
from cgkit_page.page import write_folder, write_page
from cgkit_page.runtime import Runtime, get_runtime
from cgkit_page.weights import LIMITS, Stored, store_weights

FEATURES = "bytes_per_pixel"
"""The entry in a file's metadata with the bytes of the network's largest feature map per pixel of an image."""


class Page:
    """A web page that translates images in the browser, without a server and without a network.

    Args:
        weights: how weights are stored. `int16` and the less precise `fp16` halve them, `int8` halves them again, at
            the price of a difference that is printed. Networks compute in float32 all the same.
        runtime: the npm package `onnxruntime-web`, for machines without a network; by default, it is downloaded once.
        webgpu: whether the page uses WebGPU, the graphics card, where a browser has it. It then is 3 MB larger.
        folder: whether to write a folder for a web server, whose page has no inline script, instead of a single file.
    """

    suffix = ".html"

    def __init__(
        self,
        *,
        weights: Stored = "int16",
        runtime: Path | None = None,
        webgpu: bool = False,
        folder: bool = False,
    ) -> None:
        self.limit = LIMITS[weights]
        self.advice = None if weights == "fp32" else "add --option weights=fp32, which stores weights exactly"
        self._weights: Stored = weights
        self._package, self._webgpu, self._folder = runtime, webgpu, folder
        self._onnx = Onnx()

    def export(self, network: OnUnitRange, example: Tensor, file: Path) -> None:
        """Write an ONNX file with small weights, which also reports and takes the statistics of norms.

        Raises:
            ValueError: the images have other than 1 or 3 channels.
            UsageError: the runtime cannot be found.
        """
        if example.shape[1] not in (1, 3):
            raise ValueError(f"a browser shows images of 1 or 3 channels, not of {example.shape[1]}")
        _ = self._runtime  # if it is missing, this is noticed before the network is traced
        self._onnx.export(network, example, file)
        model = onnx.load(file)
        expose_statistics(model)
        store_weights(model, self._weights)
        model.graph.ClearField("value_info")
        for node in model.graph.node:
            node.ClearField("doc_string")
            node.ClearField("metadata_props")
        onnx.helper.set_model_props(model, {FEATURES: str(_bytes_per_pixel(network, example))})
        onnx.save(model, file)

    def load(self, file: Path) -> Callable[[Tensor], Tensor]:
        """Return a function that runs the file in ONNX Runtime."""
        session = onnxruntime.InferenceSession(file.read_bytes(), providers=["CPUExecutionProvider"])
        unused: dict[str, Any] = {
            entry.name: np.zeros(entry.shape, np.float32 if entry.name == STATISTICS else np.bool_)
            for entry in session.get_inputs()
            if entry.name in (FROZEN, COLLECTING, STATISTICS)
        }
        return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy(), **unused})[0])

    def assemble(self, directions: Sequence[ExportedDirection], facts: ModelFacts, file: Path) -> None:
        """Write the page with everything that it needs.

        Raises:
            ValueError: the model's images have other than 8 bits or other than 1 or 3 channels.
            UsageError: the runtime cannot be found.
        """
        for part in directions:
            if not part.eight_bits or not {*part.channels} <= {1, 3}:
                raise ValueError(
                    "a browser shows images of 8 bits with 1 or 3 channels; this model has others (data.channels,"
                    " data.depth, data.range)"
                )
        features = {part.direction: _read_features(part.file) for part in directions}
        (write_folder if self._folder else write_page)(directions, features, facts, self._runtime, file)

    @cached_property
    def _runtime(self) -> Runtime:
        return get_runtime(self._package, self._webgpu)


@torch.inference_mode()
def _bytes_per_pixel(network: nn.Module, example: Tensor) -> int:
    """Return the size of the largest result of a layer, per pixel of the image."""
    largest = 0

    def measure(layer: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal largest
        if isinstance(output, Tensor):
            largest = max(largest, output.numel())

    hooks = [layer.register_forward_hook(measure) for layer in network.modules()]
    try:
        network(example)
    finally:
        for hook in hooks:
            hook.remove()
    return -(-4 * largest // (example.shape[-2] * example.shape[-1]))


def _read_features(file: Path) -> int:
    properties = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    return int(properties[FEATURES])
