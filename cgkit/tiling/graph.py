"""A generator's forward pass as a torch.fx graph: a list of steps, with the shape of each step's result."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from cgkit.tiling.norms import NormCall, norm_call

_IN_PLACE = frozenset({operator.iadd, operator.isub, operator.imul, operator.itruediv})

_STATIC = frozenset(
    {"shape", "size", "ndim", "dim", "numel", "dtype", "is_floating_point", "stride", "is_contiguous", "requires_grad"}
)
"""Attributes and methods of a tensor whose results do not depend on its values."""


class UntileableError(ValueError):
    """A generator would give a different result in tiles than on the whole image; the message says why."""


def trace(generator: nn.Module, channels: int, side: int) -> fx.Graph:
    """Trace the forward pass for a square image, without computing any values.

    Each call of a module without submodules, and of a torch function, is one step. Norm modules are traced into, so
    that each norm is a function call whose input is a node of the graph. Every node's `meta["example"]` is the result
    of the node as a tensor on the meta device, which has a shape but no values.

    Raises:
        UntileableError: torch.fx cannot trace the generator, for example because it branches on pixel values.
    """
    dtype = next((parameter.dtype for parameter in generator.parameters()), torch.float32)
    tracer = _Tracer(torch.empty(1, channels, side, side, dtype=dtype, device="meta"))
    try:
        with torch.no_grad():
            graph = tracer.trace(generator)
            _copy_if_identity(graph)
            for node in graph.nodes:
                tracer.example(node)
    except Exception as error:  # third-party code may raise any exception
        raise UntileableError(f"its forward pass cannot be traced: {first_line(error)}") from error
    _redirect_uses_after_in_place_steps(graph, generator)
    graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    return graph


def run_node(node: fx.Node, generator: nn.Module, values: dict[fx.Node, Any]) -> Any:
    """Compute one step; `values` holds the results of the earlier steps that this step uses."""
    arguments, keywords = fx.node.map_arg((node.args, dict(node.kwargs)), lambda other: values[other])
    if node.op == "call_module":
        return generator.get_submodule(str(node.target))(*arguments, **keywords)
    if node.op == "call_function":
        assert callable(node.target)
        return node.target(*arguments, **keywords)
    if node.op == "call_method":
        return getattr(arguments[0], str(node.target))(*arguments[1:], **keywords)
    if node.op == "get_attr":
        return operator.attrgetter(str(node.target))(generator)
    raise AssertionError(f"unknown kind of step: {node.op}")


def run_on_meta(node: fx.Node, generator: nn.Module, values: dict[fx.Node, Any]) -> Any:
    """Compute the shape of one step's result: like `run_node`, with all tensors on the meta device."""
    if node.op == "get_attr":
        return _to_meta(run_node(node, generator, {}))
    if node.op != "call_module":
        return run_node(node, generator, values)
    module = generator.get_submodule(str(node.target))
    arguments, keywords = fx.node.map_arg((node.args, dict(node.kwargs)), lambda other: values[other])
    state = {name: _to_meta(tensor) for name, tensor in module.state_dict(keep_vars=True).items()}
    return functional_call(module, state, arguments, keywords)


def norm_of(node: fx.Node) -> NormCall | None:
    """Return the norm that a step computes with the statistics of the whole image; None for any other step."""
    return norm_call(node.target, node.args, node.kwargs) if node.op == "call_function" else None


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class _ShapedProxy(fx.Proxy):
    """A traced value; unlike fx.Proxy, it has a concrete shape, dtype and layout, which the forward pass may use."""

    @property
    def _example(self) -> Any:
        return self.tracer.example(self.node)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._example, name) if name in _STATIC else super().__getattr__(name)

    def __iadd__(self, other: Any) -> Any:
        return self._record_in_place(operator.iadd, other)

    def __isub__(self, other: Any) -> Any:
        return self._record_in_place(operator.isub, other)

    def __imul__(self, other: Any) -> Any:
        return self._record_in_place(operator.imul, other)

    def __itruediv__(self, other: Any) -> Any:
        return self._record_in_place(operator.itruediv, other)

    def _record_in_place(self, function: Callable[..., Any], other: Any) -> Any:
        # torch.fx would record `x += y` as `x = x + y`, so other references to x would miss the change.
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    def __len__(self) -> int:
        return len(self._example)

    def __iter__(self) -> Iterator[Any]:
        return iter([operator.getitem(self, index) for index in range(len(self))])


class _Tracer(fx.Tracer):
    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self._image = image
        self._evaluating = False
        """Whether modules are currently being evaluated on examples instead of recorded."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, (nn.GroupNorm, nn.InstanceNorm2d)):
            return False
        return super().is_leaf_module(m, module_qualified_name) or not any(m.children())

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        return forward(*args, **kwargs) if self._evaluating else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self._evaluating else super().getattr(attr, attr_val, parameter_proxy_cache)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _ShapedProxy(node, self)

    def create_proxy(self, *args: Any, **kwargs: Any) -> Any:
        proxy = super().create_proxy(*args, **kwargs)
        self.example(proxy.node)  # computed now, because the forward pass may change the state of the module later
        return proxy

    def example(self, node: fx.Node) -> Any:
        """Return a node's result on the meta device, computed once."""
        if "example" not in node.meta:
            before, self._evaluating = self._evaluating, True
            try:
                node.meta["example"] = self._evaluate(node)
            finally:
                self._evaluating = before
        return node.meta["example"]

    def _evaluate(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return self._image
        if node.op == "output":
            return fx.node.map_arg(node.args[0], self.example)
        return run_on_meta(node, self.root, {other: self.example(other) for other in node.all_input_nodes})


def _to_meta(value: Any) -> Any:
    return value.to("meta") if isinstance(value, Tensor) else value


def _copy_if_identity(graph: fx.Graph) -> None:
    """If the generator returns its input, make it return a copy instead, so that the graph has at least one step."""
    output = next(node for node in graph.nodes if node.op == "output")
    if isinstance(image := output.args[0], fx.Node) and image.op == "placeholder":
        with graph.inserting_before(output):
            output.args = (graph.call_function(torch.clone, (image,)),)


def _redirect_uses_after_in_place_steps(graph: fx.Graph, generator: nn.Module) -> None:
    """Make every step that uses a value after an in-place change depend on the step that made the change."""
    seen: set[fx.Node] = set()

    def is_later(user: fx.Node) -> bool:
        return user not in seen

    for node in graph.nodes:
        seen.add(node)
        if node.args and isinstance(changed := node.args[0], fx.Node) and _is_in_place(node, generator):
            changed.replace_all_uses_with(node, delete_user_cb=is_later)


def _is_in_place(node: fx.Node, generator: nn.Module) -> bool:
    if node.op == "call_module":
        return bool(getattr(generator.get_submodule(str(node.target)), "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    name = getattr(node.target, "__name__", "")
    in_place = bool(node.kwargs.get("inplace")) or node.target in _IN_PLACE or name.endswith("_")
    return node.op == "call_function" and in_place


__all__ = ["UntileableError", "first_line", "norm_of", "run_node", "run_on_meta", "trace"]
