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
            tensors, made = _store_whole(tensor.name, values, 1 if tensor.name in transposed else 0, stored)
            kept += tensors
            nodes += made
        else:
            kept.append(tensor)
    rest = list(graph.node)
    graph.ClearField("initializer")
    graph.ClearField("node")
    graph.initializer.extend(kept)
    graph.node.extend([*nodes, *rest])


def _store_whole(
    name: str, values: np.ndarray, axis: int, stored: Literal["int16", "int8"]
) -> tuple[list[TensorProto], list[NodeProto]]:
    """Return whole numbers and the scale of each channel along an axis, and the nodes that multiply them.

    The bytes of `int16` are stored apart, because the runtime with WebGPU reads no `int16`.
    """
    others = tuple({*range(values.ndim)} - {axis})
    scale = np.maximum(np.abs(values).max(others, keepdims=True) / np.iinfo(stored).max, 1e-30).astype(np.float32)
    whole = np.rint(values / scale).astype(stored)
    if stored == "int16":
        parts = {"upper": ((whole >> 8).astype(np.int8), 256), "lower": ((whole & 255).astype(np.uint8), 1)}
    else:
        parts = {"whole": (whole, 1)}
    tensors, nodes, terms = [], [], []
    for part, (numbers, unit) in parts.items():
        tensors.append(numpy_helper.from_array(numbers, f"{name}_{part}"))
        tensors.append(numpy_helper.from_array(scale * np.float32(unit), f"{name}_{part}_scale"))
        nodes.append(_to_float(f"{name}_{part}", f"{name}_{part}_float"))
        nodes.append(helper.make_node("Mul", [f"{name}_{part}_float", f"{name}_{part}_scale"], [f"{name}_{part}_term"]))
        terms.append(f"{name}_{part}_term")
    nodes.append(helper.make_node("Sum", terms, [name]))
    return tensors, nodes


def _to_float(stored: str, name: str) -> NodeProto:
    return helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT)
