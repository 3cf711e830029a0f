"""The products and norms of ``np.linalg``.  In: stacks of matrices.  Out: nodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from symgrad import assumptions, dims, ops
from symgrad.dims import Dim, Size
from symgrad.errors import ShapeError, TraceError
from symgrad.functions import matrices, norms, products
from symgrad.functions.rearrange import matrix_transpose, moveaxis
from symgrad.node import Node
from symgrad.ops.coerce import normalize_axes, shape_text
from symgrad.provenance import user_line

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_transpose",
    "multi_dot",
    "outer",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]

_USUAL = 64  # what a dynamic size is taken for where an order of products is chosen


def matmul(x1: Any, x2: Any) -> Any:
    """The matrix product."""
    return ops.matmul(x1, x2)


def _stack(x: Any, who: str) -> Any:
    node = ops.as_node(x)
    if node.ndim < 2:
        raise ShapeError(f"{who}: {shape_text(node.shape)} is no matrix", where=user_line())
    return node


def diagonal(x: Any, *, offset: int = 0) -> Any:
    """The diagonals of the last two axes."""
    return matrices.diagonal(_stack(x, "diagonal"), offset, -2, -1)


def trace(x: Any, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums of the diagonals of the last two axes."""
    return matrices.trace(_stack(x, "trace"), offset, -2, -1, dtype)


def outer(x1: Any, x2: Any) -> Any:
    """All products of elements of two vectors."""
    one, other = ops.as_node(x1), ops.as_node(x2)
    if one.ndim != 1 or other.ndim != 1:
        raise ShapeError(
            f"outer: {shape_text(one.shape)} and {shape_text(other.shape)} are not both vectors",
            where=user_line(),
            hint="np.outer flattens its operands",
        )
    return ops.outer(one, other)


def cross(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    """The vector product of 3-vectors along an axis."""
    return products.cross(x1, x2, axis=axis)


def tensordot(x1: Any, x2: Any, *, axes: Any = 2) -> Any:
    """Sum of products over pairs of axes."""
    return ops.tensordot(x1, x2, axes)


def vecdot(x1: Any, x2: Any, *, axis: int = -1) -> Any:
    """Sum of products along an axis."""
    one, other = (moveaxis(ops.as_node(x), axis, -1) for x in (x1, x2))
    return ops.einsum("...i,...i->...", one, other)


# -- norms ----------------------------------------------------------------------------------------------------------
def matrix_norm(x: Any, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norms of the matrices in the last two axes."""
    return norms.norm(_stack(x, "matrix_norm"), ord, (-2, -1), keepdims)


def vector_norm(x: Any, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norms of the vectors that some axes, flattened into one, hold."""
    node = ops.as_node(x)
    axes = normalize_axes(axis, node.ndim, "vector_norm")
    rest = [one for one in range(node.ndim) if one not in axes]
    size = dims.product(node.shape[one] for one in axes)
    flat = ops.reshape(ops.transpose(node, [*rest, *axes]), (*(node.shape[one] for one in rest), size))
    made = norms.norm(flat, ord, -1)
    return ops.expand_dims(made, axes) if keepdims and axes else made


# -- powers and chains ----------------------------------------------------------------------------------------------
def matrix_power(a: Any, n: Any) -> Any:
    """A square matrix multiplied by itself; a negative power is one of its inverse.

    Raises
    ------
    ShapeError
        The matrix is not square.
    TraceError
        The exponent is no integer that is known while tracing.
    """
    node = _stack(a, "matrix_power")
    if assumptions.agree(*node.shape[-2:]) is not True:
        raise ShapeError(f"matrix_power: {shape_text(node.shape)} is not square", where=user_line())
    if isinstance(n, (Node, Dim, bool)) or not isinstance(n, (int, np.integer)):
        raise TraceError(
            f"matrix_power: the exponent {n!r} is no integer known while tracing",
            where=user_line(),
            hint="np.linalg.matrix_power(A, 3)",
        )
    if n == 0:
        return ops.broadcast_to(ops.eye(node.shape[-1], dtype=node.dtype), node.shape)
    square: Any = node if n > 0 else np.linalg.inv(node)
    digits = f"{abs(int(n)):b}"
    factors = [square] if digits[-1] == "1" else []
    for digit in reversed(digits[:-1]):
        square = ops.matmul(square, square)
        factors += [square] if digit == "1" else []
    return reduce(ops.matmul, factors)


def multi_dot(arrays: Any) -> Any:
    """The product of a chain of matrices, in the order that takes the fewest multiplications.

    The first and the last factor may be vectors.  Where sizes are dynamic, the order is that for axes of 64 elements.

    Raises
    ------
    ShapeError
        There are fewer than two factors, or one between the ends is no matrix.
    """
    nodes = [ops.as_node(one) for one in arrays]
    if len(nodes) < 2:
        raise ShapeError("multi_dot: fewer than two arrays", where=user_line())
    ends = nodes[0].ndim == 1, nodes[-1].ndim == 1
    if ends[0]:
        nodes[0] = ops.expand_dims(nodes[0], 0)
    if ends[1]:
        nodes[-1] = ops.expand_dims(nodes[-1], 1)
    for node in nodes:
        if node.ndim != 2:
            raise ShapeError(f"multi_dot: {shape_text(node.shape)} is no matrix", where=user_line())
    made = _chained(nodes, _cheapest([nodes[0].shape[0], *(node.shape[1] for node in nodes)]), 0, len(nodes) - 1)
    return ops.squeeze(made, tuple(axis for axis, alone in enumerate(ends) if alone)) if any(ends) else made


def _cheapest(sizes: Sequence[Size]) -> dict[tuple[int, int], int]:
    """Where to cut each part of a chain in two, by the classic dynamic program over its parts."""
    lengths = [_USUAL if isinstance(size, Dim) else size for size in sizes]
    count = len(lengths) - 1
    cost = {(k, k): 0 for k in range(count)}
    cuts: dict[tuple[int, int], int] = {}
    for span in range(1, count):
        for first in range(count - span):
            last = first + span
            total, cut = min(
                (cost[first, k] + cost[k + 1, last] + lengths[first] * lengths[k + 1] * lengths[last + 1], k)
                for k in range(first, last)
            )
            cost[first, last], cuts[first, last] = total, cut
    return cuts


def _chained(nodes: Sequence[Any], cuts: dict[tuple[int, int], int], first: int, last: int) -> Any:
    if first == last:
        return nodes[first]
    cut = cuts[first, last]
    return ops.matmul(_chained(nodes, cuts, first, cut), _chained(nodes, cuts, cut + 1, last))
