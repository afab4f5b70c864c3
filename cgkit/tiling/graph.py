"""What a generator does, step by step: its forward pass written down as a graph, with the size of every value."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call

from cgkit.tiling.norm_statistics import NormCall, norm_call

_IN_PLACE = frozenset({operator.iadd, operator.isub, operator.imul, operator.itruediv})


class UntileableError(ValueError):
    """A network whose parts cannot be computed one after the other; the message says which part it is."""


def trace(generator: nn.Module, channels: int, height: int, width: int) -> fx.Graph:
    """Return what a generator does with one image of that size; nothing is computed.

    Modules without parts of their own are steps, and so is every function of torch's. Norms are always traced down to
    torch's function, so that what they normalise is a value of the graph. Every node's `meta["example"]` is what it
    makes: a tensor on the meta device, which has a shape and no content.

    Raises:
        UntileableError: what the generator does depends on the values of the image, or cannot be followed.
    """
    dtype = next((parameter.dtype for parameter in generator.parameters()), torch.float32)
    tracer = _Tracer(torch.empty(1, channels, height, width, dtype=dtype, device="meta"))
    try:
        with torch.no_grad():
            graph = tracer.trace(generator)
            _have_a_step(graph)
            for node in graph.nodes:
                tracer.example(node)
    except Exception as error:  # it runs a stranger's code
        raise UntileableError(f"its forward pass cannot be followed: {_first_line(error)}") from error
    _let_later_uses_see_changes_in_place(graph, generator)
    graph.eliminate_dead_code(lambda node: node.op in ("placeholder", "output"))
    return graph


def run_node(node: fx.Node, generator: nn.Module, values: dict[fx.Node, Any]) -> Any:
    """Return what one step makes of values that are there already."""
    arguments, keywords = fx.node.map_arg((node.args, dict(node.kwargs)), lambda other: values[other])
    if node.op == "call_module":
        return generator.get_submodule(str(node.target))(*arguments, **keywords)
    if node.op == "call_function":
        assert callable(node.target)
        return node.target(*arguments, **keywords)
    if node.op == "call_method":
        return getattr(arguments[0], str(node.target))(*arguments[1:], **keywords)
    if node.op == "get_attr":
        return attribute(generator, str(node.target))
    raise AssertionError(f"a step of an unknown kind: {node.op}")


def attribute(generator: nn.Module, name: str) -> Any:
    """Return a parameter or buffer by its dotted name."""
    return operator.attrgetter(name)(generator)


def norm_of(node: fx.Node) -> NormCall | None:
    """Return what a step normalises with the statistics of the whole image, if it does."""
    return norm_call(node.target, node.args, node.kwargs) if node.op == "call_function" else None


_KNOWN = frozenset(
    {"shape", "size", "ndim", "dim", "numel", "dtype", "is_floating_point", "stride", "is_contiguous", "requires_grad"}
)
"""What does not depend on what a tensor holds."""


class _Sized(fx.Proxy):
    """Stands for a value while a forward pass is followed; code may ask for its shape, type and layout."""

    @property
    def _example(self) -> Any:
        return self.tracer.example(self.node)  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._example, name) if name in _KNOWN else super().__getattr__(name)

    def __iadd__(self, other: Any) -> Any:
        return self._in_place(operator.iadd, other)

    def __isub__(self, other: Any) -> Any:
        return self._in_place(operator.isub, other)

    def __imul__(self, other: Any) -> Any:
        return self._in_place(operator.imul, other)

    def __itruediv__(self, other: Any) -> Any:
        return self._in_place(operator.itruediv, other)

    def _in_place(self, function: Callable[..., Any], other: Any) -> Any:
        # fx would make `x += y` into `x = x + y`, of which another name for x knows nothing.
        return self.tracer.create_proxy("call_function", function, (self, other), {})

    def __len__(self) -> int:
        return len(self._example)

    def __iter__(self) -> Iterator[Any]:
        return iter([operator.getitem(self, index) for index in range(len(self))])


class _Tracer(fx.Tracer):
    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self._image = image
        self._computing = False
        """Whether modules are computed, in place of being written down."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        if isinstance(m, (nn.GroupNorm, nn.InstanceNorm2d)):
            return False
        return super().is_leaf_module(m, module_qualified_name) or not any(m.children())

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        return forward(*args, **kwargs) if self._computing else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        return attr_val if self._computing else super().getattr(attr, attr_val, parameter_proxy_cache)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        return _Sized(node, self)

    def create_proxy(self, *args: Any, **kwargs: Any) -> Any:
        proxy = super().create_proxy(*args, **kwargs)
        self.example(proxy.node)  # now, while the modules are as the forward pass found them
        return proxy

    def example(self, node: fx.Node) -> Any:
        """Return what a node makes, computed once, on the meta device."""
        if "example" not in node.meta:
            before, self._computing = self._computing, True
            try:
                node.meta["example"] = self._computed(node)
            finally:
                self._computing = before
        return node.meta["example"]

    def _computed(self, node: fx.Node) -> Any:
        if node.op == "placeholder":
            return self._image
        if node.op == "output":
            return fx.node.map_arg(node.args[0], self.example)
        if node.op == "get_attr":
            return _without_content(attribute(self.root, str(node.target)))
        if node.op != "call_module":
            values = {other: self.example(other) for other in node.all_input_nodes}
            return run_node(node, self.root, values)
        module = self.root.get_submodule(str(node.target))
        arguments, keywords = fx.node.map_arg((node.args, dict(node.kwargs)), self.example)
        state = {name: _without_content(tensor) for name, tensor in module.state_dict(keep_vars=True).items()}
        return functional_call(module, state, arguments, keywords)


def _without_content(value: Any) -> Any:
    return value.to("meta") if isinstance(value, Tensor) else value


def _have_a_step(graph: fx.Graph) -> None:
    """Where a generator returns its image as it is, let it return a copy."""
    output = next(node for node in graph.nodes if node.op == "output")
    if isinstance(image := output.args[0], fx.Node) and image.op == "placeholder":
        with graph.inserting_before(output):
            output.args = (graph.call_function(torch.clone, (image,)),)


def _let_later_uses_see_changes_in_place(graph: fx.Graph, generator: nn.Module) -> None:
    """Where a step changes its argument, whoever uses the argument afterwards uses what became of it."""
    seen: set[fx.Node] = set()

    def is_later(user: fx.Node) -> bool:
        return user not in seen

    for node in graph.nodes:
        seen.add(node)
        if node.args and isinstance(changed := node.args[0], fx.Node) and _changes_its_argument(node, generator):
            changed.replace_all_uses_with(node, delete_user_cb=is_later)


def _changes_its_argument(node: fx.Node, generator: nn.Module) -> bool:
    if node.op == "call_module":
        return bool(getattr(generator.get_submodule(str(node.target)), "inplace", False))
    if node.op == "call_method":
        return str(node.target).endswith("_") and not str(node.target).endswith("__")
    name = getattr(node.target, "__name__", "")
    in_place = bool(node.kwargs.get("inplace")) or node.target in _IN_PLACE or name.endswith("_")
    return node.op == "call_function" and in_place


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


__all__ = ["UntileableError", "attribute", "norm_of", "run_node", "trace"]
