"""NumPy's protocols.  In: calls of NumPy ufuncs and functions with expressions among the arguments.  Out: nodes.

Each NumPy function that expressions support has one entry here, with NumPy's own parameters; ``symgrad.numpy`` offers
the same functions by name.  Whatever has no entry, and any parameter that an entry does not know, raises TraceError.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from symgrad import indexing, ops
from symgrad.errors import TraceError
from symgrad.node import Node
from symgrad.ops.elementwise import ELEMENTWISE
from symgrad.ops.structure import Range
from symgrad.provenance import user_line

__all__ = ["FUNCTIONS", "UFUNCS", "call_function", "call_ufunc"]

UFUNCS: dict[Any, Callable[..., Any]] = {
    getattr(np, name): builder for name, builder in ELEMENTWISE.items() if isinstance(getattr(np, name, None), np.ufunc)
}
UFUNCS[np.matmul] = ops.matmul
UFUNCS[np.positive] = lambda x: x
UFUNCS[np.reciprocal] = lambda x: ops.divide(1, x)
UFUNCS[np.invert] = ops.logical_not
UFUNCS[np.bitwise_and], UFUNCS[np.bitwise_or], UFUNCS[np.bitwise_xor] = ops.logical_and, ops.logical_or, ops.logical_xor
UFUNCS[np.conjugate] = lambda x: x
UFUNCS[np.fabs] = ops.absolute
UFUNCS[np.isinf] = lambda x: ops.equal(ops.absolute(x), float("inf"))
UFUNCS[np.logaddexp] = lambda a, b: ops.logsumexp(
    ops.stack(ops.broadcast_together(ops.as_nodes([a, b]), "logaddexp")), axis=0
)
_REDUCE = {
    np.add: ops.sum,
    np.multiply: ops.prod,
    np.maximum: ops.max,
    np.minimum: ops.min,
    np.logical_and: ops.all,
    np.logical_or: ops.any,
}
# ufuncs of scipy.special go by their names, so that scipy is not imported here
SPECIAL: dict[str, Callable[..., Any]] = {
    name: ELEMENTWISE[name] for name in ("erf", "erfc", "expit", "gammaln", "digamma", "exp2", "expm1", "log1p")
}
SPECIAL["psi"] = ops.digamma


# dispatched by NumPy, but given only by symgrad.numpy
_IN_SYMGRAD_NUMPY = {"np.linspace", "np.vstack", "np.hstack", "np.column_stack"}


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A ufunc, or its ``reduce``, on expressions."""
    name = ufunc.__name__
    if kwargs.get("out") is not None:
        raise TraceError(
            f"{name}: an array cannot take the value of an expression in place",
            where=user_line(),
            hint="write y = y + x instead of y += x",
        )
    builder = UFUNCS.get(ufunc) or SPECIAL.get(name)
    options = {key: value for key, value in kwargs.items() if key not in ("out", "casting", "order", "subok")}
    if options.get("where") is True:
        del options["where"]
    if method == "__call__" and builder is not None:
        dtype = options.pop("dtype", None)
        if not options:
            made = builder(*inputs)
            return made if dtype is None else ops.cast(made, dtype)
    elif method == "reduce" and ufunc in _REDUCE:
        axis, keepdims = options.pop("axis", 0), options.pop("keepdims", False)
        options = {key: value for key, value in options.items() if value is not None}
        if not options:
            return _REDUCE[ufunc](inputs[0], axis=axis, keepdims=keepdims)
    call = name if method == "__call__" else f"{name}.{method}"
    raise _unsupported(f"np.{call}", options)


def _unsupported(name: str, options: Any = ()) -> TraceError:
    with_options = f" with {', '.join(options)}" if options else ""
    instead = "sg.elementwise or sg.custom_gradient defines new operations from supported ones"
    if name in _IN_SYMGRAD_NUMPY:
        instead = f"import symgrad.numpy as np, whose {name.removeprefix('np.')} takes expressions"
    return TraceError(f"{name}{with_options} does not work on expressions", where=user_line(), hint=instead)


FUNCTIONS: dict[Any, Callable[..., Any]] = {}


def implements(*functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def enter(implementation: Callable[..., Any]) -> Callable[..., Any]:
        for function in functions:
            FUNCTIONS[function] = implementation
        return implementation

    return enter


def call_function(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A NumPy function on expressions."""
    implementation = FUNCTIONS.get(function)
    name = f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)
    if implementation is None:
        raise _unsupported(name)
    given = {key: value for key, value in kwargs.items() if not _is_default(function, key, value)}
    try:
        bound = inspect.signature(implementation).bind(*args, **given)
    except TypeError:
        known = inspect.signature(implementation).parameters
        raise _unsupported(name, [key for key in given if key not in known] or ["these arguments"]) from None
    return implementation(*bound.args, **bound.kwargs)


def _is_default(function: Any, key: str, value: Any) -> bool:
    """Whether a parameter has the value that NumPy gives it anyway."""
    if value is np._NoValue:
        return True
    try:
        default = inspect.signature(function).parameters[key].default
    except (ValueError, KeyError):
        return False
    return value is default


# -- functions ------------------------------------------------------------------------------------------------------
@implements(np.sum)
def sum_(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    return ops.sum(a, axis, keepdims, dtype)


@implements(np.prod)
def prod(a: Any, axis: Any = None, dtype: Any = None, *, keepdims: bool = False) -> Any:
    return ops.prod(a, axis, keepdims, dtype)


@implements(np.max, np.amax)
def max_(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return ops.max(a, axis, keepdims)


@implements(np.min, np.amin)
def min_(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return ops.min(a, axis, keepdims)


@implements(np.mean)
def mean(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return ops.mean(a, axis, keepdims)


@implements(np.any)
def any_(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return ops.any(a, axis, keepdims)


@implements(np.all)
def all_(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    return ops.all(a, axis, keepdims)


@implements(np.where)
def where(condition: Any, x: Any, y: Any) -> Any:
    return ops.where(condition, x, y)


@implements(np.clip)
def clip(a: Any, a_min: Any = None, a_max: Any = None) -> Any:
    made = a if a_min is None else ops.maximum(a, a_min)
    return made if a_max is None else ops.minimum(made, a_max)


@implements(np.reshape)
def reshape(a: Any, shape: Any) -> Any:
    return ops.reshape(a, shape)


@implements(np.ravel)
def ravel(a: Any) -> Any:
    return ops.reshape(a, -1)


@implements(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    return ops.transpose(a, axes)


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    node = ops.as_node(a)
    order = list(range(node.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return ops.transpose(node, order)


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    node = ops.as_node(a)
    sources = [axis % node.ndim for axis in (source if isinstance(source, (tuple, list)) else [source])]
    targets = [axis % node.ndim for axis in (destination if isinstance(destination, (tuple, list)) else [destination])]
    order = [axis for axis in range(node.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return ops.transpose(node, order)


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any) -> Any:
    return ops.broadcast_to(array, shape)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    return ops.expand_dims(a, axis)


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    return ops.squeeze(a, axis)


@implements(np.concatenate)
def concatenate(arrays: Any, axis: Any = 0) -> Any:
    return ops.concatenate(list(arrays), axis)


@implements(np.stack)
def stack(arrays: Any, axis: int = 0) -> Any:
    return ops.stack(list(arrays), axis)


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: str = "constant", *, constant_values: Any = 0) -> Any:
    """Padding by a constant; widths as NumPy takes them."""
    if mode != "constant":
        raise _unsupported(f"np.pad(mode={mode!r})")
    node = ops.as_node(array)
    widths = np.broadcast_to(np.asarray(pad_width), (node.ndim, 2))
    shape = tuple(int(low) + size + int(high) for size, (low, high) in zip(node.shape, widths, strict=True))
    box = tuple(Range(int(low), size) for size, (low, _) in zip(node.shape, widths, strict=True))
    if isinstance(constant_values, (int, float)) and constant_values == 0:
        return ops.place(shape, [(box, node)])
    return ops.update(ops.full(shape, constant_values, node.type.dtype), box, node)


@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None) -> Any:
    node = ops.as_node(a)
    if axis is None:
        node, axis = ops.reshape(node, -1), 0
    return indexing.getitem(node, (*([slice(None)] * (axis % node.ndim)), ops.as_node(indices)))


@implements(np.einsum)
def einsum(subscripts: str, *operands: Any) -> Any:
    if not isinstance(subscripts, str):
        raise _unsupported("np.einsum with index lists")
    return ops.einsum(subscripts, *operands)


@implements(np.dot)
def dot(a: Any, b: Any) -> Any:
    return ops.dot(a, b)


@implements(np.inner)
def inner(a: Any, b: Any) -> Any:
    return ops.inner(a, b)


@implements(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    return ops.matmul(ops.reshape(a, -1), ops.reshape(b, -1))


@implements(np.outer)
def outer(a: Any, b: Any) -> Any:
    return ops.outer(a, b)


@implements(np.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    return ops.tensordot(a, b, axes)


@implements(np.cross)
def cross(a: Any, b: Any, *, axis: Any = None) -> Any:
    return ops.cross(a, b, -1 if axis is None else axis)


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    if ord not in (None, 2, "fro") or (ord == 2 and axis is None and ops.as_node(x).ndim > 1):
        raise _unsupported(f"np.linalg.norm(ord={ord!r})")
    return ops.norm(x, axis, keepdims)


@implements(np.trace)
def trace(a: Any) -> Any:
    return ops.einsum("ii...->...", a)


@implements(np.zeros_like)
def zeros_like(a: Any, dtype: Any = None) -> Any:
    return full_like(a, 0, dtype)


@implements(np.ones_like)
def ones_like(a: Any, dtype: Any = None) -> Any:
    return full_like(a, 1, dtype)


@implements(np.full_like)
def full_like(a: Any, fill_value: Any, dtype: Any = None) -> Any:
    node = ops.as_node(a)
    return ops.full(node.shape, fill_value, node.type.dtype if dtype is None else dtype)


@implements(np.shape)
def shape_of(a: Any) -> Any:
    return ops.as_node(a).shape


@implements(np.ndim)
def ndim_of(a: Any) -> Any:
    return ops.as_node(a).ndim


@implements(np.size)
def size_of(a: Any) -> Any:
    return ops.as_node(a).type.size


@implements(np.atleast_1d)
def atleast_1d(a: Any) -> Any:
    node = ops.as_node(a)
    return ops.expand_dims(node, 0) if node.ndim == 0 else node


@implements(np.copy)
def copy(a: Any) -> Any:
    return a if isinstance(a, Node) else ops.as_node(a)
