"""Store the weights of an ONNX model with fewer bits; it still computes in float32."""

from __future__ import annotations

from typing import Literal

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

Stored = Literal["fp32", "int16", "fp16", "int8"]

LIMITS: dict[Stored, float] = {"fp32": 1e-4, "int16": 1 / 255, "fp16": 1 / 255, "int8": 16 / 255}
"""The largest accepted difference of a translation, in [0, 1], for each way of storing weights."""

_SMALL = 256
"""Tensors of fewer numbers stay as they are."""
_LARGEST = 65504.0
"""The largest number in float16."""


def store_weights(model: ModelProto, stored: Stored) -> None:
    """Replace the float32 weights of a model by smaller ones, and nodes that turn them into float32 again.

    A runtime computes these nodes once, when it loads the model. With `int16` and `int8`, each output channel has a
    scale of its own; `int16` is several times as precise as `fp16`, because weights of a channel differ little in size.
    Biases and other small tensors stay in float32, as do weights that float16 cannot hold.
    """
    if stored == "fp32":
        return
    graph = model.graph
    transposed = {node.input[1] for node in graph.node if node.op_type == "ConvTranspose"}
    kept, nodes = [], []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < _SMALL:
            kept.append(tensor)
        elif stored == "fp16" and np.abs(values).max() <= _LARGEST:
            kept.append(numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}_fp16"))
            nodes.append(_to_float(f"{tensor.name}_fp16", tensor.name))
        elif stored in ("int16", "int8"):
            largest = np.iinfo(stored).max
            axis = 1 if tensor.name in transposed else 0
            scale = np.maximum(
                np.abs(values).max(tuple({*range(values.ndim)} - {axis}), keepdims=True) / largest, 1e-30
            )
            kept.append(numpy_helper.from_array(np.rint(values / scale).astype(stored), f"{tensor.name}_whole"))
            kept.append(numpy_helper.from_array(scale.astype(np.float32), f"{tensor.name}_scale"))
            nodes.append(_to_float(f"{tensor.name}_whole", f"{tensor.name}_float"))
            nodes.append(helper.make_node("Mul", [f"{tensor.name}_float", f"{tensor.name}_scale"], [tensor.name]))
        else:
            kept.append(tensor)
    rest = list(graph.node)
    graph.ClearField("initializer")
    graph.ClearField("node")
    graph.initializer.extend(kept)
    graph.node.extend([*nodes, *rest])


def _to_float(stored: str, name: str) -> NodeProto:
    return helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT)
