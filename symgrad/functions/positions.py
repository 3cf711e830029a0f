"""NumPy's functions of positions and membership.  In: arrays, or only their shapes.  Out: nodes, and tables for shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symgrad import assumptions, ops, types
from symgrad.dims import Dim
from symgrad.errors import DTypeError, ShapeError, TraceError
from symgrad.functions.axes import axis_of
from symgrad.functions.selection import take_along_axis
from symgrad.node import Node
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = [
    "diag_indices_from",
    "isin",
    "ix_",
    "lexsort",
    "ravel_multi_index",
    "tril_indices_from",
    "triu_indices_from",
    "unravel_index",
]


# -- of a shape -----------------------------------------------------------------------------------------------------
def _static_shape(arr: Any, who: str) -> tuple[int, ...]:
    node = ops.as_node(arr)
    if not node.type.is_static:
        raise TraceError(
            f"{who}: the size of the result depends on {shape_text(node.shape)}",
            where=user_line(),
            hint="np.where(np.tri(...), x, 0), or give the axes fixed sizes",
        )
    return tuple(int(size) for size in node.shape)


def _matrix_shape(arr: Any, who: str) -> tuple[int, ...]:
    shape = _static_shape(arr, who)
    if len(shape) != 2:
        raise ShapeError(f"{who}: {shape_text(shape)} is no matrix", where=user_line())
    return shape


def tril_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Where the elements on and below a diagonal of a matrix of that shape stand."""
    rows, columns = _matrix_shape(arr, "tril_indices_from")
    return np.tril_indices(rows, k, columns)


def triu_indices_from(arr: Any, k: int = 0) -> tuple[Any, ...]:
    """Where the elements on and above a diagonal of a matrix of that shape stand."""
    rows, columns = _matrix_shape(arr, "triu_indices_from")
    return np.triu_indices(rows, k, columns)


def diag_indices_from(arr: Any) -> tuple[Any, ...]:
    """Where the diagonal of an array of that shape stands; an expression if the size is dynamic."""
    node = ops.as_node(arr)
    if node.ndim < 2 or not all(assumptions.agree(node.shape[0], size) is True for size in node.shape):
        raise ShapeError(f"diag_indices_from: the axes of {shape_text(node.shape)} differ", where=user_line())
    size = node.shape[0]
    return (ops.iota(size) if isinstance(size, Dim) else np.arange(size),) * node.ndim


# -- of elements ----------------------------------------------------------------------------------------------------
def _integers(value: Any, who: str) -> Any:
    node = ops.as_node(value, who=who)
    if not types.is_integer(node.dtype):
        raise DTypeError(
            f"{who}: indices are {node.dtype}, not integers", where=user_line(), hint="x.astype('int64') converts"
        )
    return ops.cast(node, types.INT64)


def _sizes(shape: Any, order: str, who: str) -> list[Any]:
    if order not in ("C", "F"):
        raise TraceError(f"{who}: order {order!r} is neither 'C' nor 'F'", where=user_line(), hint="order='C'")
    if isinstance(shape, Node):
        raise TraceError(f"{who}: the shape must be known while tracing", where=user_line(), hint="shape=x.shape")
    return list(shape) if isinstance(shape, (tuple, list, np.ndarray)) else [shape]


def _checked(index: Any, size: Any) -> Any:
    """The index, which a kernel compares with the size when it runs."""
    return ops.gather(ops.iota(size), [ops.where(ops.less(index, 0), ops.dim_value(size), index)], 0)


def _brought_inside(index: Any, size: Any, mode: str) -> Any:
    if mode == "raise":
        return _checked(index, size)
    if mode == "wrap":
        return ops.remainder(index, ops.dim_value(size))
    if mode == "clip":
        return ops.maximum(ops.minimum(index, ops.dim_value(size) - 1), 0)
    raise TraceError(
        f"ravel_multi_index: mode {mode!r} is unknown", where=user_line(), hint="modes are raise, wrap, clip"
    )


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """The position in the flattened array of an element with these indices."""
    sizes = _sizes(dims, order, "ravel_multi_index")
    given: Sequence[Any] = [multi_index[k] for k in range(len(multi_index))]
    modes = [mode] * len(sizes) if isinstance(mode, str) else list(mode)
    if not len(given) == len(modes) == len(sizes):
        raise ShapeError(f"ravel_multi_index: {len(given)} indices for {len(sizes)} axes", where=user_line())
    parts = [
        (_brought_inside(_integers(one, "ravel_multi_index"), size, own), size)
        for one, size, own in zip(given, sizes, modes, strict=True)
    ]
    made = ops.as_node(0)
    for index, size in parts if order == "C" else reversed(parts):
        made = ops.add(ops.multiply(made, ops.dim_value(size)), index)
    return made


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """The indices of the element at a position of the flattened array."""
    sizes = _sizes(shape, order, "unravel_index")
    left = _checked(_integers(indices, "unravel_index"), math.prod(sizes))
    made = []
    for size in reversed(sizes) if order == "C" else sizes:
        made.append(ops.remainder(left, ops.dim_value(size)))
        left = ops.floor_divide(left, ops.dim_value(size))
    return tuple(reversed(made) if order == "C" else made)


def ix_(*args: Any) -> tuple[Any, ...]:
    """Vectors of positions, each along an axis of its own, which index a grid."""
    made = []
    for k, one in enumerate(args):
        if isinstance(one, Node) and types.is_bool(one.dtype):
            raise TraceError(
                "ix_: a symbolic condition selects a number of elements that is unknown while tracing",
                where=user_line(),
                hint="use np.where(condition, x, other), or multiply by the condition",
            )
        node = ops.as_node(one if isinstance(one, Node) else np.ravel(np.ix_(one)[0]), who="ix_")
        if node.ndim != 1:
            raise ShapeError(f"ix_: {shape_text(node.shape)} is no vector", where=user_line())
        made.append(ops.expand_dims(node, tuple(axis for axis in range(len(args)) if axis != k)))
    return tuple(made)


def lexsort(keys: Any, axis: int = -1) -> Any:
    """Positions that sort by several keys, the last one first; equal elements keep their order."""
    nodes = [ops.as_node(keys[k]) for k in range(len(keys))]
    if not nodes:
        raise ShapeError("lexsort: there is no key", where=user_line())
    own = axis_of(axis, nodes[0].ndim, "lexsort")
    made = ops.argsort(nodes[0], own)
    for key in nodes[1:]:
        made = take_along_axis(made, ops.argsort(take_along_axis(key, made, own), own), own)
    return made


def isin(
    element: Any, test_elements: Any, assume_unique: bool = False, invert: bool = False, *, kind: Any = None
) -> Any:
    """Whether each element is among others."""
    one, others = ops.as_nodes([element, test_elements], who="isin")
    found = ops.any(ops.equal(ops.expand_dims(one, one.ndim), ops.reshape(others, -1)), -1)
    return ops.logical_not(found) if invert else found
