"""Let an ONNX graph report the statistics of its norms, and normalise with given ones instead.

An image that is translated in tiles then looks as if it were translated whole: all tiles use the same statistics.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

STATISTICS = "statistics"
"""The input with the statistics to use: the means of all channels of all norms, then the variances, float32."""
FROZEN = "frozen"
"""The input that says whether to use `STATISTICS`, a Boolean."""
COLLECTING = "collecting"
"""The input that says whether to compute `MEASURED`, a Boolean."""
MEASURED = "measured"
"""The output with the statistics of the images, in the order of `STATISTICS`."""

_INPUTS = 4


def expose_statistics(model: ModelProto) -> int:
    """Rewrite the norms of single images in a model; return the length of its input `STATISTICS`.

    Each `InstanceNormalization` becomes an `If`, which computes only what is asked for. A model without any keeps its
    inputs and outputs, and 0 is returned.
    """
    graph = model.graph
    shapes = {value.name: value.type.tensor_type.shape.dim for value in graph.value_info}
    norms = [
        node
        for node in graph.node
        if node.op_type == "InstanceNormalization" and len(shapes.get(node.input[0], ())) > 2
    ]
    if not norms:
        return 0
    widths = [shapes[node.input[0]][1].dim_value for node in norms]
    rewritten = {
        node.output[0]: _rewrite(node, number, width, len(shapes[node.input[0]]))
        for number, (node, width) in enumerate(zip(norms, widths, strict=True))
    }
    nodes = [rewritten.get(node.output[0], node) if node.output else node for node in graph.node]
    graph.ClearField("node")
    graph.node.extend([*_split(graph, widths), *nodes, *_join(len(norms))])
    total: int = 2 * sum(widths)
    graph.input.extend(
        [
            helper.make_tensor_value_info(FROZEN, TensorProto.BOOL, []),
            helper.make_tensor_value_info(COLLECTING, TensorProto.BOOL, []),
            helper.make_tensor_value_info(STATISTICS, TensorProto.FLOAT, [total]),
        ]
    )
    graph.output.append(helper.make_tensor_value_info(MEASURED, TensorProto.FLOAT, [total]))
    onnx.checker.check_model(model)
    return total


def _names(kind: str, count: int) -> list[str]:
    return [f"{kind}_{statistic}_{number}" for statistic in ("mean", "variance") for number in range(count)]


def _split(graph: GraphProto, widths: Sequence[int]) -> list[NodeProto]:
    """Split the given statistics into those of each norm, one by one: WebGPU allows few outputs of a node."""
    ends = np.cumsum([*widths, *widths])
    edges = [numpy_helper.from_array(np.array([edge], np.int64), f"edge_{edge}") for edge in (0, *ends)]
    graph.initializer.extend(edges)
    return [
        helper.make_node("Slice", [STATISTICS, start.name, end.name], [name])
        for start, end, name in zip(edges, edges[1:], _names("given", len(widths)), strict=False)
    ]


def _join(count: int) -> list[NodeProto]:
    """Join the statistics of all norms, some at a time: WebGPU allows few inputs of a node."""
    names = _names("own", count)
    nodes: list[NodeProto] = []
    while len(names) > 1:
        groups = [names[start : start + _INPUTS] for start in range(0, len(names), _INPUTS)]
        names = [f"joined_{len(nodes) + number}" for number in range(len(groups))]
        nodes += [helper.make_node("Concat", group, [name], axis=0) for group, name in zip(groups, names, strict=True)]
    nodes[-1].output[0] = MEASURED
    return nodes


def _rewrite(node: NodeProto, number: int, width: int, rank: int) -> NodeProto:
    """Return an `If` that normalises with the given statistics or with the features' own, and outputs the latter."""
    outputs = [node.output[0], f"own_mean_{number}", f"own_variance_{number}"]
    then_branch, else_branch = _with_given(node, number, width, rank), _with_own(node, number, width, rank)
    return helper.make_node("If", [FROZEN], outputs, then_branch=then_branch, else_branch=else_branch)


def _with_given(node: NodeProto, number: int, width: int, rank: int) -> GraphProto:
    """Return the branch that scales and shifts features with given statistics, reading them twice."""
    features, weight, bias = node.input
    mean, variance = f"given_mean_{number}", f"given_variance_{number}"
    make = helper.make_node
    nodes = [
        make("Add", [variance, "f_eps"], ["f_sum"]),
        make("Sqrt", ["f_sum"], ["f_deviation"]),
        make("Div", [weight, "f_deviation"], ["f_scale"]),
        make("Mul", [mean, "f_scale"], ["f_moved"]),
        make("Sub", [bias, "f_moved"], ["f_shift"]),
        make("Reshape", ["f_scale", "f_shape"], ["f_scales"]),
        make("Reshape", ["f_shift", "f_shape"], ["f_shifts"]),
        make("Mul", [features, "f_scales"], ["f_scaled"]),
        make("Add", ["f_scaled", "f_shifts"], ["f_normalised"]),
        make("Identity", [mean], ["f_mean"]),
        make("Identity", [variance], ["f_variance"]),
    ]
    constants = {"f_eps": np.array(_epsilon(node), np.float32), "f_shape": _channels_first(width, rank)}
    return _branch("frozen", nodes, ["f_normalised", "f_mean", "f_variance"], constants, number)


def _with_own(node: NodeProto, number: int, width: int, rank: int) -> GraphProto:
    """Return the branch that normalises as before, and computes the statistics if they are asked for."""
    features = node.input[0]
    make = helper.make_node
    measure = [
        make("ReduceMean", [features, "m_axes"], ["m_mean"], keepdims=0),
        make("Reshape", ["m_mean", "m_shape"], ["m_means"]),
        make("Sub", [features, "m_means"], ["m_centred"]),
        make("Mul", ["m_centred", "m_centred"], ["m_squares"]),
        make("ReduceMean", ["m_squares", "m_axes"], ["m_variance"], keepdims=0),
    ]
    axes = np.array([0, *range(2, rank)], np.int64)
    constants = {"m_axes": axes, "m_shape": _channels_first(width, rank)}
    collected = _branch("collecting", measure, ["m_mean", "m_variance"], constants, number)
    keep = [make("Identity", [f"given_{kind}_{number}"], [f"k_{kind}"]) for kind in ("mean", "variance")]
    kept = _branch("not_collecting", keep, ["k_mean", "k_variance"], {}, number)
    nodes = [
        make("InstanceNormalization", list(node.input), ["o_normalised"], epsilon=_epsilon(node)),
        make("If", [COLLECTING], ["o_mean", "o_variance"], then_branch=collected, else_branch=kept),
    ]
    return _branch("own", nodes, ["o_normalised", "o_mean", "o_variance"], {}, number)


def _branch(
    name: str, nodes: Sequence[NodeProto], outputs: Sequence[str], constants: dict[str, np.ndarray], number: int
) -> GraphProto:
    """Return a branch of an `If`; all names that it defines get the number of the norm, so that they are unique."""
    own = {*constants, *(output for node in nodes for output in node.output)}
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [f"{name}_{number}" if name in own else name for name in names]
    values = [helper.make_tensor_value_info(f"{output}_{number}", TensorProto.FLOAT, None) for output in outputs]
    tensors = [numpy_helper.from_array(value, f"{constant}_{number}") for constant, value in constants.items()]
    return helper.make_graph(list(nodes), f"{name}_{number}", [], values, tensors)


def _channels_first(width: int, rank: int) -> np.ndarray:
    return np.array([1, width, *(1 for _ in range(rank - 2))], np.int64)


def _epsilon(node: NodeProto) -> float:
    return next((float(attribute.f) for attribute in node.attribute if attribute.name == "epsilon"), 1e-5)
