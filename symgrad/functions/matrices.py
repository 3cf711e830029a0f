"""NumPy's functions of diagonals, triangles and grids.  In: arrays.  Out: nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from symgrad import dims, indexing, ops, types
from symgrad.errors import ShapeError
from symgrad.functions.axes import axis_of
from symgrad.ops.coerce import shape_text
from symgrad.provenance import user_line

__all__ = ["diag", "diagflat", "diagonal", "meshgrid", "trace", "tril", "triu", "vander"]


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The diagonal of two axes, along a new last axis."""
    node = ops.as_node(a)
    if node.ndim < 2:
        raise ShapeError(f"diagonal: {shape_text(node.shape)} has fewer than two axes", where=user_line())
    one, other = axis_of(axis1, node.ndim, "diagonal"), axis_of(axis2, node.ndim, "diagonal")
    if one == other:
        raise ShapeError(f"diagonal: axis1 and axis2 are both {one}", where=user_line())
    rest = [axis for axis in range(node.ndim) if axis not in (one, other)]
    moved = ops.transpose(node, [*rest, one, other])
    shifted = indexing.getitem(moved, (Ellipsis, slice(max(-offset, 0), None), slice(max(offset, 0), None)))
    rows, columns = shifted.shape[-2:]
    size = dims.minimum(rows, columns)
    return ops.gather(shifted, [ops.iota(size), ops.iota(size)], node.ndim - 2)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Any:
    """The sum of a diagonal."""
    return ops.sum(diagonal(a, offset, axis1, axis2), -1, False, dtype)


def _on(rows: Any, columns: Any, compare: Any, k: int) -> Any:
    """A table of whether column - row compares with k."""
    return compare(ops.subtract(ops.iota(columns), ops.expand_dims(ops.iota(rows), 1)), k)


def _where(table: Any, node: Any) -> Any:
    """The elements where the table is true, zero (False, of booleans) elsewhere."""
    return ops.where(table, node, False if types.is_bool(node.dtype) else 0)


def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with the elements on a diagonal, zero elsewhere."""
    flat = ops.reshape(ops.as_node(v), -1)
    size = flat.shape[0] + abs(k)
    rest = ops.full((abs(k),), 0, flat.dtype)
    long = ops.concatenate([flat, rest]) if k else flat  # of rows where the diagonal lies above, else of columns
    return _where(_on(size, size, ops.equal, k), ops.expand_dims(long, 1 if k >= 0 else 0))


def diag(v: Any, k: int = 0) -> Any:
    """The diagonal of a matrix, or the matrix that has a vector as its diagonal."""
    node = ops.as_node(v)
    if node.ndim not in (1, 2):
        raise ShapeError(f"diag: {shape_text(node.shape)} is no vector or matrix", where=user_line())
    return diagflat(node, k) if node.ndim == 1 else diagonal(node, k)


def _triangle(m: Any, compare: Any, k: int, who: str) -> Any:
    node = ops.as_node(m)
    if node.ndim == 0:
        raise ShapeError(f"{who}: a scalar has no triangle", where=user_line())
    square = node if node.ndim > 1 else ops.broadcast_to(node, (node.shape[0], node.shape[0]))
    return _where(_on(square.shape[-2], square.shape[-1], compare, k), square)


def tril(m: Any, k: int = 0) -> Any:
    """The elements on and below a diagonal, zero above."""
    return _triangle(m, ops.less_equal, k, "tril")


def triu(m: Any, k: int = 0) -> Any:
    """The elements on and above a diagonal, zero below."""
    return _triangle(m, ops.greater_equal, k, "triu")


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """Coordinates of a grid, one array per axis."""
    if indexing not in ("xy", "ij"):
        raise ShapeError(f"meshgrid: indexing {indexing!r} is neither 'xy' nor 'ij'", where=user_line())
    flat = [ops.reshape(ops.as_node(one), -1) for one in xi]
    order = list(range(len(flat)))
    if indexing == "xy" and len(flat) > 1:
        order[0], order[1] = 1, 0
    grids = [
        ops.reshape(one, [one.shape[0] if place == own else 1 for place in range(len(flat))])
        for one, own in zip(flat, order, strict=True)
    ]
    if sparse:
        return tuple(grids)
    shape = [flat[order.index(place)].shape[0] for place in range(len(flat))]
    return tuple(ops.broadcast_to(grid, shape) for grid in grids)


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """Powers of a vector's elements, as columns, the highest first unless ``increasing``."""
    node = ops.as_node(x)
    if node.ndim != 1:
        raise ShapeError(f"vander: {shape_text(node.shape)} is no vector", where=user_line())
    count = node.shape[0] if N is None else N
    node = ops.cast(node, types.promote(node.dtype, types.INT64))
    columns = [ops.full(node.shape, 1, node.dtype)]
    for _ in range(1, int(np.asarray(count))):
        columns.append(ops.multiply(columns[-1], node))
    return ops.stack(columns[:count] if increasing else columns[:count][::-1], 1)
