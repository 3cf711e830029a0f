"""``np.linalg.norm`` and ``cond``.  In: vectors or matrices along axes, and an order.  Out: nodes."""

from __future__ import annotations

import math
from typing import Any

from symgrad import assumptions, ops
from symgrad.errors import ShapeError, TraceError
from symgrad.functions.axes import axis_of, float_node
from symgrad.functions.rearrange import moveaxis
from symgrad.node import Node
from symgrad.provenance import user_line

__all__ = ["cond", "norm"]


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """A vector's or matrix's norm, along axes; at zero its gradient is zero.

    Gradients of a matrix's norms of orders 2, -2 and ``"nuc"`` are made of singular vectors, at zero, too: ``U @ Vh`` for
    ``"nuc"``.  Where singular values are equal or zero, those of orders 2 and ``"nuc"`` are subgradients.

    Raises
    ------
    ShapeError
        The order is none of a vector's or a matrix's, or the axes are none of either.
    TraceError
        The order of a matrix's norm is an expression.
    """
    node = float_node(x)
    if axis is None and (ord is None or (node.ndim == 1 and ord == 2)):
        return ops.norm(node, None, keepdims)
    given = tuple(range(node.ndim)) if axis is None else tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    axes = tuple(axis_of(one, node.ndim, "norm") for one in given)
    if len(axes) == 1:
        return _vector(node, 2 if ord is None else ord, axes[0], keepdims)
    if len(axes) != 2:
        raise ShapeError(f"norm: {len(axes)} axes are neither a vector nor a matrix", where=user_line())
    if axes[0] == axes[1]:
        raise ShapeError(f"norm: duplicate axis in {given}", where=user_line())
    return _matrix(node, "fro" if ord is None else ord, axes, keepdims)


def _vector(node: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ShapeError(f"norm: order {ord!r} is none of a vector's", where=user_line())
    if isinstance(ord, Node):
        return _power(node, ord, axis, keepdims)
    if ord == 2:
        return ops.norm(node, axis, keepdims)
    size = ops.absolute(node)
    if ord == math.inf:
        return ops.max(size, axis, keepdims)
    if ord == -math.inf:
        return ops.min(size, axis, keepdims)
    if ord == 0:
        return ops.sum(ops.cast(ops.not_equal(node, 0), node.dtype), axis, keepdims)
    return ops.sum(size, axis, keepdims) if ord == 1 else _power(node, ord, axis, keepdims)


def _power(node: Any, ord: Any, axis: int, keepdims: bool) -> Any:
    """The root of the sum of powers; its derivative is taken nowhere at a sum of zero, where the value is 0**(1/ord)."""
    total = ops.sum(ops.power(ops.absolute(node), ord), axis, keepdims)
    flat = ops.equal(total, 0)
    root = ops.divide(1, ord) if isinstance(ord, Node) else 1 / ord
    value = ops.power(ops.where(flat, 1, total), root)
    return ops.where(flat, ops.power(ops.stop_gradient(total), root), value)


def _matrix(node: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord == "fro":
        return ops.norm(node, axes, keepdims)
    if isinstance(ord, Node):
        raise TraceError(
            "norm: the order of a matrix's norm is an expression",
            where=user_line(),
            hint="give a number that is known while tracing",
        )
    if ord in (2, -2, "nuc"):
        values = ops.svdvals(moveaxis(node, axes, (-2, -1)))
        made = ops.sum(values, -1) if ord == "nuc" else _extreme(values, "norm", 0 if ord == 2 else -1)
        return ops.expand_dims(made, tuple(sorted(axes))) if keepdims else made
    if ord not in (1, -1, math.inf, -math.inf):
        raise ShapeError(f"norm: order {ord!r} is none of a matrix's", where=user_line())
    row, column = axes
    summed, best = (row, column) if abs(ord) == 1 else (column, row)
    totals = ops.sum(ops.absolute(node), summed, True)
    made = (ops.max if ord > 0 else ops.min)(totals, best, True)
    return made if keepdims else ops.squeeze(made, axes)


def _extreme(values: Any, who: str, place: int) -> Any:
    """The first of the singular values, which is the largest, or the last."""
    if assumptions.agree(values.shape[-1], 0) is True:
        raise ShapeError(f"{who}: a matrix without elements has no singular values", where=user_line())
    return values[..., place]


def cond(x: Any, p: Any = None) -> Any:
    """The condition numbers of the matrices in the last two axes: of order 2 if ``p`` is None; infinite for singular ones.

    Raises
    ------
    ShapeError
        ``x`` is no matrix, for other orders than 2 and -2 no square one, or the order is none of a matrix's.
    """
    node = float_node(x)
    if p is None or (not isinstance(p, Node) and p in (2, -2)):
        values = ops.svdvals(node)
        ends = [_extreme(values, "cond", place) for place in ((-1, 0) if p == -2 else (0, -1))]
        made = ops.divide(*ends)
    else:
        inverse = ops.inv(node)
        made = ops.multiply(_matrix(node, p, (-2, -1), False), _matrix(inverse, p, (-2, -1), False))
    unknown = ops.any(ops.isnan(node), axis=(-2, -1))
    return ops.where(ops.logical_and(ops.isnan(made), ops.logical_not(unknown)), math.inf, made)
